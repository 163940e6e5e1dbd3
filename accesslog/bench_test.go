package accesslog

import (
	"os"
	"testing"
	"time"
)

// What a line costs a request: the line is made and put into the buffer; the writer
// is another goroutine, which has its own part of it.
func BenchmarkLine(b *testing.B) {
	main := Combined + ` "$http_x_forwarded_for" rt=$request_time urt="$upstream_response_time"`
	for _, c := range []struct {
		name string
		make func() (*Format, error)
	}{
		{"combined", func() (*Format, error) { return CompileFormat(Combined, Default) }},
		{"timed", func() (*Format, error) { return CompileFormat(main, Default) }},
		{"escape=json", func() (*Format, error) { return CompileFormat(main, JSON) }},
		{"json", func() (*Format, error) { return NewOwnJSON(), nil }},
	} {
		b.Run(c.name, func(b *testing.B) {
			f, err := c.make()
			if err != nil {
				b.Fatal(err)
			}
			null, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0)
			if err != nil {
				b.Fatal(err)
			}
			l := NewLog(null, Options{Flush: time.Second, Buffer: 64 << 20})
			defer l.Close()
			e := usualEntry()
			e.Request = fields{"User-Agent", "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/120.0.0.0 Safari/537.36"}
			b.ReportAllocs()
			for b.Loop() {
				l.Write(f, e)
			}
		})
	}
}
