package proxy

import (
	"bytes"
	"math"
	"strconv"

	"paddock/proxy/http1"
)

// byteRange is bytes from start up to end.
type byteRange struct{ start, end int64 }

// maxRanges bounds the parts of one answer. nginx has no bound but that they may
// not be longer than the file together.
const maxRanges = 200

// rangeOutcome is what a Range field means for an answer.
type rangeOutcome uint8

const (
	rangeIgnored rangeOutcome = iota
	rangeTaken
	rangeRefused // 416
)

// selectRanges looks at Range and If-Range (RFC 9110 14.2; nginx: the range filter).
func (x *exchange) selectRanges(r *reply) rangeOutcome {
	value, ok := x.req.Get("range")
	if !ok || len(value) < len("bytes=0") || !equalFold(value[:len("bytes=")], "bytes=") {
		return rangeIgnored
	}
	if v, ok := x.req.Get("if-range"); ok && !x.ifRange(v, r) {
		return rangeIgnored
	}
	var outcome rangeOutcome
	r.file.ranges, outcome = parseRanges(value[len("bytes="):], r.file.size)
	return outcome
}

func (x *exchange) ifRange(v []byte, r *reply) bool {
	if len(v) >= 2 && v[len(v)-1] == '"' {
		return bytes.Equal(v, r.etag(x))
	}
	return sameTime(v, r.file.modified)
}

// parseRanges reads what follows "bytes=".
func parseRanges(spec []byte, size int64) ([]byteRange, rangeOutcome) {
	var ranges []byteRange
	var sum int64
	for p := (rangeParser{rest: spec}); ; {
		one, ok := p.next(size)
		switch {
		case !ok:
			return nil, rangeRefused
		case one.start < one.end:
			if sum += one.end - one.start; len(ranges) == maxRanges || sum > size {
				return nil, rangeIgnored
			}
			ranges = append(ranges, one)
		case one.start == 0: // of an empty file
			return nil, rangeIgnored
		}
		if !p.comma() {
			break
		}
	}
	if len(ranges) == 0 {
		return nil, rangeRefused
	}
	return ranges, rangeTaken
}

type rangeParser struct{ rest []byte }

// next reads one range: "first-last", "first-" or "-length".
func (p *rangeParser) next(size int64) (r byteRange, ok bool) {
	p.blanks()
	if suffix := p.take('-'); suffix {
		n, ok := p.number()
		return byteRange{max(size-n, 0), size}, ok && p.atEnd()
	}
	if r.start, ok = p.number(); !ok {
		return r, false
	}
	if p.blanks(); !p.take('-') {
		return r, false
	}
	if p.blanks(); p.atEnd() {
		return byteRange{r.start, size}, true
	}
	last, ok := p.number()
	if !ok {
		return r, false
	}
	r.end = size
	if last < size {
		r.end = last + 1
	}
	return r, p.atEnd()
}

func (p *rangeParser) number() (n int64, ok bool) {
	for len(p.rest) > 0 && p.rest[0] >= '0' && p.rest[0] <= '9' {
		digit := int64(p.rest[0] - '0')
		if n > (math.MaxInt64-digit)/10 {
			return 0, false
		}
		n, ok = n*10+digit, true
		p.rest = p.rest[1:]
	}
	return n, ok
}

func (p *rangeParser) take(c byte) bool {
	if len(p.rest) == 0 || p.rest[0] != c {
		return false
	}
	p.rest = p.rest[1:]
	return true
}

func (p *rangeParser) comma() bool { return p.take(',') }

func (p *rangeParser) blanks() {
	for p.take(' ') {
	}
}

// atEnd reports whether the range ends here.
func (p *rangeParser) atEnd() bool {
	p.blanks()
	return len(p.rest) == 0 || p.rest[0] == ','
}

// appendContentRange appends "START-LAST/SIZE".
func appendContentRange(dst []byte, r byteRange, size int64) []byte {
	dst = strconv.AppendInt(dst, r.start, 10)
	dst = strconv.AppendInt(append(dst, '-'), r.end-1, 10)
	return strconv.AppendInt(append(dst, '/'), size, 10)
}

// multipart is a multipart/byteranges body (RFC 9110 14.6).
type multipart struct {
	boundary []byte
	heads    [][]byte // in front of each range
	last     []byte
}

// newMultipart lays out the body and returns its length.
func newMultipart(serial uint64, contentType string, f *fileAnswer) (*multipart, int64) {
	boundary := strconv.AppendUint(nil, serial, 10)
	boundary = append(bytes.Repeat([]byte{'0'}, max(20-len(boundary), 0)), boundary...)
	m := &multipart{boundary: boundary}
	var length int64
	for _, r := range f.ranges {
		head := append([]byte("\r\n--"), boundary...)
		head = append(head, "\r\n"...)
		head = http1.AppendField(head, "Content-Type", contentType)
		head = append(head, "Content-Range: bytes "...)
		head = append(appendContentRange(head, r, f.size), "\r\n\r\n"...)
		m.heads = append(m.heads, head)
		length += int64(len(head)) + r.end - r.start
	}
	m.last = append(append([]byte("\r\n--"), boundary...), "--\r\n"...)
	return m, length + int64(len(m.last))
}
