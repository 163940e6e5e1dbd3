package http1

import (
	"errors"
	"fmt"
	"strings"
	"testing"
)

func TestChunkReaderReadsBodies(t *testing.T) {
	tests := []struct{ rule, wire, body string }{
		{"7.1", "5\r\nhello\r\n0\r\n\r\n", "hello"},
		{"7.1 empty", "0\r\n\r\n", ""},
		{"7.1 two chunks", "5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n", "hello world"},
		{"7.1 HEXDIG in both cases", "a\r\n0123456789\r\nA\r\n0123456789\r\n0\r\n\r\n", "01234567890123456789"},
		{"7.1 leading zeros", "0000000000000005\r\nhello\r\n000\r\n\r\n", "hello"},
		{"7.1.1 extension", "5;a=b;c=\"d e\"\r\nhello\r\n0;x\r\n\r\n", "hello"},
		{"7.1.1 BWS", "5 \t; a = b\r\nhello\r\n0\r\n\r\n", "hello"},
		{"7.1.2 trailers", "5\r\nhello\r\n0\r\nX-A: b\r\nHost: evil\r\nX-B:\r\n\r\n", "hello"},
		{"line ends are data", "4\r\n\r\n\r\n\r\n0\r\n\r\n", "\r\n\r\n"},
		{"many small chunks", strings.Repeat("1\r\nx\r\n", 10000) + "0\r\n\r\n", strings.Repeat("x", 10000)},
		{"signed chunks", strings.Repeat("400;chunk-signature="+strings.Repeat("a", 64)+"\r\n"+strings.Repeat("x", 1024)+"\r\n", 300) + "0\r\n\r\n", strings.Repeat("x", 300*1024)},
	}
	for _, tt := range tests {
		for _, step := range []int{1, 2, 5, 1 << 20} {
			body, used, err := readChunks([]byte(tt.wire+"GET"), step)
			if err != nil || body != tt.body || used != len(tt.wire) {
				t.Errorf("%s, step %d: %d of %d bytes, body of %d, %v", tt.rule, step, used, len(tt.wire), len(body), err)
			}
		}
	}
}

func TestChunkReaderRefuses(t *testing.T) {
	tests := []struct {
		rule, wire string
		want       error
	}{
		{"7.1 sign", "-5\r\n", errChunkSize},
		{"7.1 plus", "+5\r\n", errChunkSize},
		{"7.1 prefix", "0x5\r\n", errChunkSize},
		{"7.1 blank first", " 5\r\n", errChunkSize},
		{"7.1 empty line first", "\r\n5\r\n", errChunkSize},
		{"7.1 no size", ";a\r\n", errChunkSize},
		{"7.1 NUL", "5\x00\r\n", errChunkSize},
		{"7.1 letters", "5xyz\r\n", errChunkSize},
		{"7.1 full-width digit", "\xef\xbc\x95\r\n", errChunkSize},
		{"7.1.1 blank without an extension", "5 \r\n", errChunkSize},
		{"7.1 bare LF", "5\nhello", errChunkSize},
		{"7.1 bare CR", "5\r\r\n", errChunkSize},
		{"7.1 2^63", "8000000000000000\r\n", errChunkOverflow},
		{"7.1 2^64-1", "FFFFFFFFFFFFFFFF\r\n", errChunkOverflow},
		{"7.1 seventeen digits", "00000000000000005\r\n", errChunkOverflow},
		{"7.1.1 LF in an extension", "5;a\nhello", errChunkExt},
		{"7.1.1 CR in an extension", "5;a\rb", errChunkSize},
		{"7.1.1 NUL in an extension", "5;a=\x00", errChunkExt},
		{"7.1.1 CTL in an extension", "5;a=\x01", errChunkExt},
		{"7.1.1 long extension", "5;" + strings.Repeat("a", maxChunkLine), errChunkExtLong},
		{"7.1.1 long extensions", strings.Repeat("1;"+strings.Repeat("a", 1000)+"\r\nx\r\n", 20), errChunkExtLong},
		{"7.1 data ended by LF", "5\r\nhello\n", errChunkEnd},
		{"7.1 data ended by CR", "5\r\nhello\rX", errChunkEnd},
		{"7.1 data longer than its size", "5\r\nhelloX", errChunkEnd},
		{"7.1 last chunk by bare LF", "0\n\n", errChunkSize},
		{"7.1.2 trailers ended by LF", "0\r\n\n", errBareLF},
		{"7.1.2 trailers ended by CR", "0\r\n\rX", errName},
		{"7.1.2 request as trailer", "0\r\nGET / HTTP/1.1\r\n", errBlankColon},
		{"5.1 blank before the colon", "0\r\nX-A : b\r\n\r\n", errBlankColon},
		{"5.2 fold", "0\r\nX-A: b\r\n c\r\n\r\n", errFold},
		{"5 no name", "0\r\n: b\r\n\r\n", errEmptyName},
		{"5 no colon", "0\r\nX-A\r\n\r\n", errNoColon},
		{"9110 5.1 name", "0\r\nX(A: b\r\n\r\n", errName},
		{"9110 5.5 value", "0\r\nX-A: b\x00\r\n\r\n", errValue},
		{"2.2 LF in a value", "0\r\nX-A: b\nX-B: c\r\n\r\n", errBareLF},
		{"2.2 CR in a value", "0\r\nX-A: b\rc\r\n\r\n", errValue},
		{"7.1.2 many trailers", "0\r\n" + strings.Repeat("X: y\r\n", maxTrailerFields+1), errTooMany},
		{"7.1.2 long trailer", "0\r\nX: " + strings.Repeat("y", maxTrailer), errTrailerLong},
	}
	for _, tt := range tests {
		for _, step := range []int{1, 1 << 20} {
			if _, _, err := readChunks([]byte(tt.wire), step); err != tt.want {
				t.Errorf("%s, step %d: %v, want %v", tt.rule, step, err, tt.want)
			}
		}
	}
}

func TestChunkReaderThatFailedStaysFailed(t *testing.T) {
	var c ChunkReader
	_, _, _, first := c.Next([]byte("zz"))
	n, data, done, err := c.Next([]byte("5\r\nhello\r\n0\r\n\r\n"))
	var refused *Error
	if !errors.As(err, &refused) || err != first || n != 0 || data != nil || done {
		t.Errorf("%d, %q, %v, %v", n, data, done, err)
	}
}

func TestChunkReaderNeedsMoreBytesUntilDone(t *testing.T) {
	const wire = "5\r\nhello\r\n0\r\nX-A: b\r\n\r\n"
	for i := range len(wire) {
		if _, _, err := readChunks([]byte(wire[:i]), 1000); err != ErrIncomplete {
			t.Errorf("%d bytes: %v", i, err)
		}
	}
	var c ChunkReader
	if n, data, done, err := c.Next(nil); n != 0 || data != nil || done || err != nil {
		t.Error("no bytes are not just too few")
	}
}

func TestFramingCountsWhatIsNotBody(t *testing.T) {
	const wire = "5;a\r\nhello\r\n0\r\nX-A: b\r\n\r\n"
	var c ChunkReader
	for buf := []byte(wire); !c.Done(); {
		n, _, _, err := c.Next(buf)
		if err != nil {
			t.Fatal(err)
		}
		buf = buf[n:]
	}
	if want := int64(len(wire) - len("hello")); c.Framing() != want {
		t.Errorf("%d bytes of framing, want %d", c.Framing(), want)
	}
	c.Reset()
	if c.Framing() != 0 || c.Done() {
		t.Error("not reset")
	}
}

func TestWrittenChunksAreReadBack(t *testing.T) {
	var wire []byte
	var want strings.Builder
	for i := range 40 {
		part := strings.Repeat(fmt.Sprint(i), i+1)
		want.WriteString(part)
		wire = AppendChunkHeader(wire, int64(len(part)))
		wire = AppendChunkEnd(append(wire, part...))
	}
	wire = AppendLastChunk(wire)
	if body, used, err := readChunks(wire, 3); err != nil || body != want.String() || used != len(wire) {
		t.Errorf("%q, %d, %v", body, used, err)
	}
}

func TestChunkReaderAllocatesNothing(t *testing.T) {
	wire := []byte("5;a=b\r\nhello\r\n0\r\nX-A: b\r\n\r\n")
	if n := testing.AllocsPerRun(100, func() {
		var c ChunkReader
		for buf := wire; !c.Done(); {
			n, _, _, _ := c.Next(buf)
			buf = buf[n:]
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
