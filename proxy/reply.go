package proxy

import (
	"time"

	"paddock/proxy/http1"
)

// reply is an answer of our own: a file, a page or a text.
type reply struct {
	status      int
	contentType string
	length      int64 // of the body, before it is compressed
	text        []byte
	file        *fileAnswer // nil: text is the body
	location    []byte
	retryAfter  time.Duration
	refused     bool // a 416 that still has to say how long the file is
	size        int64
	multipart   *multipart
}

// etag is the tag of the file, or what add_header makes of it.
func (r *reply) etag(x *exchange) []byte {
	switch {
	case x.added.etag:
		return x.added.etagText
	case r.file != nil:
		return r.file.etag
	}
	return nil
}

// sendReply runs nginx's filters for the head, and sends it with the body.
func (x *exchange) sendReply(r *reply) error {
	x.Status = r.status
	x.add(r.file)
	compress := x.mayCompress(r.contentType, r.length, false)
	acceptRanges := false
	if r.file != nil && r.status == 200 && !compress {
		switch x.selectRanges(r) {
		case rangeIgnored:
			acceptRanges = true
		case rangeRefused:
			return &refusal{status: 416, size: r.file.size}
		case rangeTaken:
			x.takeRanges(r)
		}
	}
	if x.req.HasBody() && !x.detour.bodyTaken { // no step took it: its bytes are no request (RFC 9112 9.3)
		x.unread = true
	}
	if x.unread {
		x.keepAlive = false
	}
	x.replyHead(r, compress, acceptRanges)
	return x.sendReplyBody(r, compress)
}

// takeRanges makes the reply a partial one.
func (x *exchange) takeRanges(r *reply) {
	r.status, x.Status = 206, 206
	if ranges := r.file.ranges; len(ranges) == 1 {
		r.length = ranges[0].end - ranges[0].start
		return
	}
	r.multipart, r.length = newMultipart(x.conn.proxy.serial.Add(1), r.contentType, r.file)
	r.contentType = "multipart/byteranges; boundary=" + string(r.multipart.boundary)
}

// replyHead writes the head, its fields in nginx's order.
func (x *exchange) replyHead(r *reply, compress, acceptRanges bool) {
	x.out = http1.AppendStatusLine(x.out[:0], r.status, statusText(r.status))
	x.appendOwnFields()
	bodiless := r.status == 204 || r.status == 304
	x.chunked, x.untilClose = false, false
	if !bodiless && r.contentType != "" {
		x.out = http1.AppendField(x.out, "Content-Type", r.contentType)
	}
	switch {
	case bodiless:
	case !compress:
		x.out = http1.AppendIntField(x.out, "Content-Length", r.length)
	case x.conn.stream != nil: // it has an end of its own
	case x.req.Minor > 0:
		x.chunked = true
	default:
		x.keepAlive, x.untilClose = false, true
	}
	if r.retryAfter > 0 {
		x.out = http1.AppendIntField(x.out, "Retry-After", int64((r.retryAfter+time.Second-1)/time.Second))
	}
	x.appendLastModified(r)
	place := x.absolute(r.location)
	made := len(place) > len(r.location)
	if made {
		x.out = http1.AppendField(x.out, "Location", place)
	}
	if x.chunked && string(x.Method) != "HEAD" {
		x.out = http1.AppendField(x.out, "Transfer-Encoding", "chunked")
	}
	x.appendConnection()
	x.appendVary()
	if len(place) > 0 && !made { // nginx has it here
		x.out = http1.AppendField(x.out, "Location", place)
	}
	x.appendLines(r, compress)
	x.appendRangeFields(r, compress, acceptRanges)
	x.out = http1.AppendEnd(x.out)
}

// appendLastModified: an error page keeps its file's time to itself (nginx: header filter).
func (x *exchange) appendLastModified(r *reply) {
	if r.status != 200 && r.status != 206 && r.status != 304 {
		return
	}
	if r.file != nil && !x.added.lastModified {
		x.out = append(x.out, "Last-Modified: "...)
		x.out = append(r.file.modified.UTC().AppendFormat(x.out, dateLayout), "\r\n"...)
	}
}

// appendLines appends what an app's answer left, the ETag, expires and add_header.
func (x *exchange) appendLines(r *reply, compress bool) {
	x.out = x.appendKept(x.out)
	if tag := r.etag(x); len(tag) > 0 {
		x.out = append(x.out, "ETag: "...)
		if compress && tag[0] == '"' {
			x.out = append(x.out, weakPrefix...)
		}
		x.out = append(append(x.out, tag...), "\r\n"...)
	}
	x.out = append(x.out, x.added.lines...)
}

func (x *exchange) appendRangeFields(r *reply, compress, acceptRanges bool) {
	switch {
	case compress:
		x.out = http1.AppendField(x.out, "Content-Encoding", "gzip")
	case acceptRanges:
		x.out = http1.AppendField(x.out, "Accept-Ranges", "bytes")
	case r.status == 416 && r.refused:
		x.out = append(x.out, "Content-Range: bytes */"...)
		x.out = append(http1.AppendInt(x.out, r.size), "\r\n"...)
	case r.status == 206 && r.multipart == nil:
		x.out = append(x.out, "Content-Range: bytes "...)
		x.out = append(appendContentRange(x.out, r.file.ranges[0], r.file.size), "\r\n"...)
	}
}

// sendReplyBody sends head and body.
func (x *exchange) sendReplyBody(r *reply, compress bool) error {
	if compress {
		x.startGzip()
	}
	switch {
	case r.status == 204 || r.status == 304 || string(x.Method) == "HEAD":
		x.chunked = false
		x.dropGzip()
		return x.sendPart(nil, true)
	case r.file == nil:
		return x.sendPart(r.text, true)
	case compress:
		return x.sendParts(r.file)
	case r.multipart != nil:
		return x.sendMultipart(r)
	case len(r.file.ranges) == 1:
		return x.deliver(r.file.file, r.file.ranges[0])
	}
	return x.deliver(r.file.file, byteRange{0, r.file.size})
}
