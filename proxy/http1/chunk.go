package http1

import "math"

// Bounds of the chunked coding. Go's net/http has the same for lines and excess,
// gunicorn for trailers.
const (
	maxSizeDigits    = 16       // RFC 9112 7.1: anticipate large numbers, no overflow
	maxChunkLine     = 4 << 10  // bytes of one size line, with its extensions
	maxExcess        = 16 << 10 // extension bytes beyond what the data makes up for
	freeExcess       = 16       // extension bytes that each chunk may have for nothing
	maxTrailer       = 8 << 10  // bytes of the trailer section
	maxTrailerFields = 64
)

// ChunkReader takes the chunked coding off a body (RFC 9112 7.1) as it arrives.
// Extensions and trailers are checked, bounded and dropped: at most 4 KiB a size
// line, 8 KiB and 64 fields of trailers. The zero value is ready for a body.
type ChunkReader struct {
	state   chunkState
	left    uint64 // of the size, or of the data still to come
	digits  int
	line    int // bytes of the size line
	excess  int64
	trailer int // bytes of the trailer section
	fields  int
	framing int64
	err     error
}

type chunkState uint8

const (
	chunkSize chunkState = iota
	chunkBlank
	chunkExt
	chunkSizeLF
	chunkData
	chunkDataCR
	chunkDataLF
	trailerStart
	trailerName
	trailerValue
	trailerLF
	trailerEndLF
	chunkDone
)

// Reset makes c ready for another body.
func (c *ChunkReader) Reset() { *c = ChunkReader{} }

// Framing returns how many bytes were taken that are not body: sizes, extensions,
// line ends and trailers ($request_length counts them).
func (c *ChunkReader) Framing() int64 { return c.framing }

// Done reports whether the last chunk and the trailer section have been read.
func (c *ChunkReader) Done() bool { return c.state == chunkDone }

// Next takes n bytes off the front of buf. data, which may be empty, is the part
// of them that is body; call again with the rest of buf until done or until it is
// empty. done: the last chunk and the trailer section have been read, and what
// follows in buf belongs to the next message.
//
// Errors: an *Error with status 400, then and for ever. Of a response, it is the
// upstream's fault: 502, or the client's connection closed if the head has gone.
func (c *ChunkReader) Next(buf []byte) (n int, data []byte, done bool, err error) {
	for n < len(buf) && c.err == nil && c.state != chunkDone {
		if c.state == chunkData {
			data = c.takeData(buf[n:])
			return n + len(data), data, false, nil
		}
		c.err = c.step(buf[n])
		n++
		c.framing++
	}
	return n, nil, c.state == chunkDone, c.err
}

func (c *ChunkReader) takeData(buf []byte) []byte {
	if uint64(len(buf)) > c.left {
		buf = buf[:c.left]
	}
	c.left -= uint64(len(buf))
	if c.left == 0 {
		c.state = chunkDataCR
	}
	return buf
}

// step takes one byte of framing.
func (c *ChunkReader) step(b byte) error {
	switch c.state {
	case chunkSize, chunkBlank, chunkExt, chunkSizeLF:
		return c.sizeLine(b)
	case chunkDataCR:
		return c.expect(b, '\r', chunkDataLF, errChunkEnd)
	case chunkDataLF:
		c.digits, c.line = 0, 0
		return c.expect(b, '\n', chunkSize, errChunkEnd)
	default:
		return c.trailerByte(b)
	}
}

func (c *ChunkReader) expect(b, want byte, next chunkState, wrong error) error {
	if b != want {
		return wrong
	}
	c.state = next
	return nil
}

func (c *ChunkReader) sizeLine(b byte) error {
	if c.line++; c.line > maxChunkLine {
		return errChunkExtLong
	}
	switch c.state {
	case chunkSize:
		return c.sizeByte(b)
	case chunkBlank: // RFC 9112 7.1.1: BWS, only before an extension
		if isBlank(b) {
			return nil
		}
		return c.expect(b, ';', chunkExt, errChunkSize)
	case chunkExt:
		return c.extByte(b)
	default:
		return c.endSizeLine(b)
	}
}

func (c *ChunkReader) sizeByte(b byte) error {
	if class[b]&isHex != 0 {
		if c.digits++; c.digits > maxSizeDigits {
			return errChunkOverflow
		}
		c.left = c.left<<4 | uint64(hexValue(b))
		if c.left > math.MaxInt64 {
			return errChunkOverflow
		}
		return nil
	}
	if c.digits == 0 {
		return errChunkSize
	}
	switch {
	case b == '\r':
		c.state = chunkSizeLF
	case b == ';':
		c.state = chunkExt
	case isBlank(b):
		c.state = chunkBlank
	default:
		return errChunkSize
	}
	return nil
}

// extByte takes one byte of an extension. A line end inside one hides a chunk
// from a laxer reader (Go CVE-2025-22871).
func (c *ChunkReader) extByte(b byte) error {
	if b == '\r' {
		c.state = chunkSizeLF
		return nil
	}
	if class[b]&isText == 0 {
		return errChunkExt
	}
	return nil
}

// endSizeLine takes the LF of a size line. Many small chunks with long extensions
// cost more than they carry (Go CVE-2023-39326).
func (c *ChunkReader) endSizeLine(b byte) error {
	if b != '\n' {
		return errChunkSize
	}
	c.excess += int64(c.line-c.digits-len("\r\n")) - freeExcess
	c.excess = max(c.excess-2*int64(min(c.left, maxExcess)), 0)
	if c.excess > maxExcess {
		return errChunkExtLong
	}
	c.state = chunkData
	if c.left == 0 {
		c.state = trailerStart
	}
	return nil
}
