package http1

import "math"

// maxLengthDigits is how long a Content-Length may be written: what the largest
// int64 takes.
const maxLengthDigits = 19

// maxOptions bounds the names in Connection, because each is compared with every
// field. A browser sends one or two.
const maxOptions = 128

// framing is what a head says about its body and its connection.
type framing struct {
	length  int64 // Content-Length; -1: none
	chunked bool

	lengths, codings int // fields seen
	coding           []byte

	options               int
	close, keepAlive, upg bool
}

// take notes what one field says about the body.
func (m *framing) take(f *Field) (err error) {
	switch f.id {
	case idContentLength:
		m.lengths++
		m.length, err = parseLength(f.Value)
	case idTransferEncoding:
		m.codings++
		m.coding = f.Value
	}
	return err
}

// check applies RFC 9112 6.1 and 6.3 once every field has been taken.
func (m *framing) check(minor int) error {
	switch {
	case m.lengths > 1:
		return errTwoLengths
	case m.codings == 0:
		return nil
	case m.lengths > 0:
		return errLengthCoding
	case minor == 0:
		return errCoding10
	case m.codings > 1:
		return errTwoCodings
	}
	if err := checkCoding(m.coding); err != nil {
		return err
	}
	m.chunked = true
	return nil
}

func checkCoding(value []byte) error {
	for _, c := range value {
		if c == ',' {
			return errTwoCodings
		}
		if class[c]&isToken == 0 {
			return errCoding
		}
	}
	if !lowerIs(value, "chunked") {
		return errCoding
	}
	return nil
}

// parseLength reads 1*DIGIT that fits an int64 (RFC 9110 8.6).
func parseLength(v []byte) (int64, error) {
	if len(v) == 0 || len(v) > maxLengthDigits {
		return 0, errLength
	}
	var n uint64 // 19 digits fit
	for _, c := range v {
		if class[c]&isDigit == 0 {
			return 0, errLength
		}
		n = n*10 + uint64(c-'0')
	}
	if n > math.MaxInt64 {
		return 0, errLength
	}
	return int64(n), nil
}

// takeOptions reads the value of one Connection field (RFC 9110 7.6.1) and drops
// the fields that it names.
func (m *framing) takeOptions(value []byte, fields Fields) error {
	for len(value) > 0 {
		var option []byte
		option, value = nextElement(value)
		if len(option) == 0 {
			continue
		}
		if m.options++; m.options > maxOptions {
			return errOptions
		}
		m.takeOption(option, fields)
	}
	return nil
}

func (m *framing) takeOption(option []byte, fields Fields) {
	if n, _ := nameLength(option); n != len(option) {
		return // no field can have this name
	}
	switch {
	case lowerIs(option, "close"):
		m.close = true
	case lowerIs(option, "keep-alive"):
		m.keepAlive = true
	case lowerIs(option, "upgrade"):
		m.upg = true
	default:
		fields.dropNamed(option)
	}
}

func (f Fields) dropNamed(option []byte) {
	for i := range f {
		if f[i].id.canBeNamed() && lowerIs(f[i].Name, option) {
			f[i].Drop = true
		}
	}
}

// persists reports whether the connection outlives the message (RFC 9112 9.3).
func (m *framing) persists(minor int) bool {
	return !m.close && (minor > 0 || m.keepAlive)
}

// onlyUpgrade returns the value of the one Upgrade field of a message whose
// Connection names it. HTTP/1.0 has none (RFC 9110 7.8); of two, none counts.
func (m *framing) onlyUpgrade(minor int, fields Fields) (value []byte) {
	if !m.upg || minor == 0 {
		return nil
	}
	for i := range fields {
		if fields[i].id != idUpgrade {
			continue
		}
		if value != nil {
			return nil
		}
		value = fields[i].Value
	}
	return value
}
