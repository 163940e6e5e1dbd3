package proxy

import (
	"bytes"
	"slices"
	"sync"

	"github.com/klauspost/compress/gzip"

	"paddock/proxy/http1"
)

// gzipStream compresses one answer. It is pooled by its level.
type gzipStream struct {
	level int
	w     *gzip.Writer
	out   bytes.Buffer
	flush bool // send each part at once
}

var gzipStreams [10]sync.Pool // by level

func newGzipStream(level int) *gzipStream {
	if z, ok := gzipStreams[level].Get().(*gzipStream); ok {
		z.out.Reset()
		z.w.Reset(&z.out)
		z.flush = false
		return z
	}
	z := &gzipStream{level: level}
	z.w, _ = gzip.NewWriterLevel(&z.out, level) // it fails on no level from 1 to 9
	return z
}

// mayCompress reports whether nginx would compress the answer whose status is
// x.Status and whose added fields are in x.added. length is that of its body, -1
// when it is not known; encoded: it has a Content-Encoding.
func (x *exchange) mayCompress(contentType string, length int64, encoded bool) bool {
	g := &x.rules().site.gzip
	x.gzipVary = false
	if !g.on || encoded || length >= 0 && length < g.minLength || !g.takes(contentType) {
		return false
	}
	switch x.Status {
	case 200, 403, 404:
	default:
		return false
	}
	x.gzipVary = g.vary
	accept, _ := x.req.Get("accept-encoding")
	if !acceptsGzip(accept) || x.req.Minor == 0 && !g.http10 {
		return false
	}
	_, via := x.req.Get("via")
	return !via || x.mayCompressForProxy(g)
}

// mayCompressForProxy applies gzip_proxied.
func (x *exchange) mayCompressForProxy(g *gzipRules) bool {
	has := func(word string) bool { return slices.Contains(g.proxied, word) }
	if len(g.proxied) == 0 || has("off") {
		return false
	}
	if _, auth := x.req.Get("authorization"); has("any") || auth && has("auth") {
		return true
	}
	if v, ok := x.answerField("expires"); ok {
		when, ok := parseHTTPTime(v)
		return has("expired") && ok && when.Before(x.conn.proxy.when(x.clock()))
	}
	if v, ok := x.answerField("cache-control"); ok {
		for _, word := range [...]string{"no-cache", "no-store", "private"} {
			if has(word) && bytes.Contains(bytes.ToLower(v), []byte(word)) {
				return true
			}
		}
		return false
	}
	_, modified := x.answerField("last-modified")
	_, tag := x.answerField("etag")
	return !(has("no_last_modified") && modified) && !(has("no_etag") && (tag || x.added.tagged))
}

// answerField is a field of the answer that is being made, by its name in lower case.
func (x *exchange) answerField(name string) ([]byte, bool) {
	lines := sentHead{head: append([]byte("\r\n"), x.added.lines...)}
	if v, ok := lines.AppendValues(nil, name); ok {
		return v, true
	}
	if x.try.answer.Status == 0 || x.place.pass == nil {
		return nil, false
	}
	return x.try.answer.Get(name)
}

// appendVary tells caches that the answer depends on Accept-Encoding.
func (x *exchange) appendVary() {
	if x.gzipVary {
		x.out = http1.AppendField(x.out, "Vary", "Accept-Encoding")
	}
}

// startAppGzip compresses an app's answer. One that is not to be held back is
// flushed with each part: X-Accel-Buffering: no, and events.
func (x *exchange) startAppGzip() {
	x.startGzip()
	buffering, _ := x.try.answer.Get("x-accel-buffering")
	contentType, _ := x.try.answer.Get("content-type")
	x.gzip.flush = string(buffering) == "no" || bytes.HasPrefix(contentType, eventStream)
}

var eventStream = []byte("text/event-stream")

func (x *exchange) startGzip() { x.gzip = newGzipStream(x.rules().site.gzip.level) }

// compress takes a part of the body and returns what is ready to be sent: nothing,
// often, until the last.
func (x *exchange) compress(data []byte, last bool) ([]byte, error) {
	z := x.gzip
	z.out.Reset()
	x.GzipIn += int64(len(data))
	if _, err := z.w.Write(data); err != nil {
		return nil, err
	}
	var err error
	switch {
	case last:
		err = z.w.Close()
	case z.flush:
		err = z.w.Flush()
	}
	if err != nil {
		return nil, err
	}
	x.GzipOut += int64(z.out.Len())
	return z.out.Bytes(), nil
}

// dropGzip gives the compressor back.
func (x *exchange) dropGzip() {
	if x.gzip != nil {
		gzipStreams[x.gzip.level].Put(x.gzip)
		x.gzip = nil
	}
}
