package value

import (
	"math"
	"testing"
)

func TestSizeReadsNginxUnits(t *testing.T) {
	for text, want := range map[string]int64{
		"0": 0, "1024": 1024, "8k": 8 << 10, "8K": 8 << 10, "1m": 1 << 20, "2G": 2 << 30, "9223372036854775807": math.MaxInt64,
	} {
		var s Size
		if err := s.UnmarshalText([]byte(text)); err != nil || int64(s) != want {
			t.Errorf("%q: got %d, %v; want %d", text, s, err, want)
		}
	}
	for _, text := range []string{"", "k", "-1", "1kb", "1MB", "1t", "1.5m", "1 m", "9223372036854775808", "9007199254740992k"} {
		var s Size
		if err := s.UnmarshalText([]byte(text)); err == nil {
			t.Errorf("%q: read as %d", text, s)
		}
	}
}

func TestByteSizeReadsSupervisorUnits(t *testing.T) {
	for text, want := range map[string]int64{"0": 0, "1024": 1024, "512KB": 512 << 10, "50MB": 50 << 20, "1gb": 1 << 30} {
		var s ByteSize
		if err := s.UnmarshalText([]byte(text)); err != nil || int64(s) != want {
			t.Errorf("%q: got %d, %v; want %d", text, s, err, want)
		}
	}
	for _, text := range []string{"", "MB", "-1", "1m", "1k", "1B", "1.5MB", "99999999999GB"} {
		var s ByteSize
		if err := s.UnmarshalText([]byte(text)); err == nil {
			t.Errorf("%q: read as %d", text, s)
		}
	}
}

func TestSizesTakeBareNumbers(t *testing.T) {
	var s Size
	var b ByteSize
	if err := s.UnmarshalTOML(int64(7)); err != nil || s != 7 {
		t.Errorf("Size: got %d, %v", s, err)
	}
	if err := b.UnmarshalTOML(int64(7)); err != nil || b != 7 {
		t.Errorf("ByteSize: got %d, %v", b, err)
	}
	if err := s.UnmarshalTOML(int64(-7)); err == nil {
		t.Errorf("Size: -7 was read as %d", s)
	}
}

func TestUmaskIsOctal(t *testing.T) {
	var u Umask
	if err := u.UnmarshalTOML("027"); err != nil || u != 0o027 {
		t.Errorf("027: got %o, %v", u, err)
	}
	if text, _ := u.MarshalText(); string(text) != "027" {
		t.Errorf("027 prints as %s", text)
	}
	for _, raw := range []any{"", "8", "1000", "-1", "0x1", int64(22)} {
		if err := u.UnmarshalTOML(raw); err == nil {
			t.Errorf("%v: read as %o", raw, u)
		}
	}
}
