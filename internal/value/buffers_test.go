package value

import "testing"

func TestBuffersAreANumberAndASize(t *testing.T) {
	for text, want := range map[string]Buffers{"8 8k": {8, 8 << 10}, " 4   32768 ": {4, 32768}, "65536 1g": {1 << 16, 1 << 30}} {
		var b Buffers
		if err := b.UnmarshalText([]byte(text)); err != nil || b != want {
			t.Errorf("%q: %+v, %v; want %+v", text, b, err, want)
		}
		again, _ := b.MarshalText()
		if err := b.UnmarshalText(again); err != nil || b != want {
			t.Errorf("%q written as %q: %+v, %v", text, again, b, err)
		}
	}
	for _, text := range []string{"", "8", "8k", "8 8k 8k", "0 8k", "-1 8k", "8 0", "8 8kb", "65537 1", "1 2g", "x 8k"} {
		if err := new(Buffers).UnmarshalText([]byte(text)); err == nil {
			t.Errorf("%q is taken", text)
		}
	}
	if err := new(Buffers).UnmarshalTOML(int64(8)); err == nil {
		t.Error("a number is taken")
	}
}
