package value

import (
	"fmt"
	"strconv"
	"strings"
)

// Buffers is a number of buffers of one size in nginx's syntax, "8 8k" (nginx:
// proxy_buffers, large_client_header_buffers).
type Buffers struct {
	Number int
	Size   Size
}

// Bytes is the sum of their sizes.
func (b Buffers) Bytes() int64 { return int64(b.Number) * int64(b.Size) }

// MarshalText implements encoding.TextMarshaler.
func (b Buffers) MarshalText() ([]byte, error) {
	return strconv.AppendInt(append(strconv.AppendInt(nil, int64(b.Number), 10), ' '), int64(b.Size), 10), nil
}

// maxBuffers and maxBuffer keep the product far from an overflow.
const (
	maxBuffers = 1 << 16
	maxBuffer  = 1 << 30
)

// UnmarshalText implements encoding.TextUnmarshaler.
func (b *Buffers) UnmarshalText(text []byte) error {
	words := strings.Fields(string(text))
	if len(words) != 2 {
		return fmt.Errorf(`%q: expected a number and a size such as "8 8k"`, text)
	}
	n, err := strconv.Atoi(words[0])
	if err != nil || n < 1 || n > maxBuffers {
		return fmt.Errorf(`%q: expected a number of 1 to %d and a size such as "8 8k"`, text, maxBuffers)
	}
	var size Size
	if err := size.UnmarshalText([]byte(words[1])); err != nil {
		return fmt.Errorf("%q: %w", text, err)
	}
	if size < 1 || size > maxBuffer {
		return fmt.Errorf("%q: expected a size of 1 to 1g", text)
	}
	b.Number, b.Size = n, size
	return nil
}

// UnmarshalTOML takes a string.
func (b *Buffers) UnmarshalTOML(v any) error {
	s, ok := v.(string)
	if !ok {
		return fmt.Errorf(`expected a number and a size such as "8 8k", got %s`, TypeName(v))
	}
	return b.UnmarshalText([]byte(s))
}
