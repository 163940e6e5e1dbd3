package http1

import "testing"

func BenchmarkRequestParse(b *testing.B) {
	var r Request
	b.SetBytes(int64(len(browserBytes)))
	b.ReportAllocs()
	for b.Loop() {
		r.Reset()
		if _, err := r.Parse(browserBytes, nil); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkResponseParse(b *testing.B) {
	var r Response
	wire := []byte(appAnswer)
	b.SetBytes(int64(len(wire)))
	b.ReportAllocs()
	for b.Loop() {
		r.Reset()
		if _, err := r.Parse(wire, nil); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkAppendField(b *testing.B) {
	dst := make([]byte, 0, 256)
	name, value := []byte("Content-Type"), []byte("text/html; charset=utf-8")
	b.ReportAllocs()
	for b.Loop() {
		_ = AppendField(dst, name, value)
	}
}

func BenchmarkAppendForwardable(b *testing.B) {
	var r Request
	if _, err := r.Parse(browserBytes, nil); err != nil {
		b.Fatal(err)
	}
	dst := make([]byte, 0, 1024)
	b.ReportAllocs()
	for b.Loop() {
		_ = r.Fields.AppendForwardable(dst, false)
	}
}

// A head that comes byte by byte must cost about its length, not its square.
func BenchmarkRequestParseByteByByte(b *testing.B) {
	var r Request
	b.SetBytes(int64(len(browserBytes)))
	for b.Loop() {
		r.Reset()
		for i := range browserBytes {
			if n, err := r.Parse(browserBytes[:i+1], nil); err != ErrIncomplete && (err != nil || n == 0) {
				b.Fatal(err)
			}
		}
	}
}

func BenchmarkChunkReader(b *testing.B) {
	part := make([]byte, 4096)
	wire := AppendChunkHeader(nil, int64(len(part)))
	wire = AppendLastChunk(AppendChunkEnd(append(wire, part...)))
	b.SetBytes(int64(len(wire)))
	for b.Loop() {
		var c ChunkReader
		for buf := wire; !c.Done(); {
			n, _, _, err := c.Next(buf)
			if err != nil {
				b.Fatal(err)
			}
			buf = buf[n:]
		}
	}
}
