package value

import (
	"strings"
	"testing"
	"time"
)

func TestDurationReadsNginxUnits(t *testing.T) {
	for text, want := range map[string]time.Duration{
		"0":          0,
		"60":         time.Minute,
		"60s":        time.Minute,
		"500ms":      500 * time.Millisecond,
		"1h 30m":     90 * time.Minute,
		"1h30m":      90 * time.Minute,
		" 5s ":       5 * time.Second,
		"1m":         time.Minute,
		"1M":         30 * 24 * time.Hour,
		"1y 1w 1d":   (365 + 7 + 1) * 24 * time.Hour,
		"1s 1ms":     time.Second + time.Millisecond,
		"3153600000": maxDuration,
	} {
		var d Duration
		if err := d.UnmarshalText([]byte(text)); err != nil || d.D() != want {
			t.Errorf("%q: got %v, %v; want %v", text, d.D(), err, want)
		}
	}
}

func TestDurationRefusesWhatNginxRefuses(t *testing.T) {
	for _, text := range []string{
		"", " ", "-1", "-1s", "1x", "s", "1m 1h", "1s 1s", "1.5s", "1e3", "3153600001", "101y", "99999999999999999999", "99y 2y", "5 s", "1m30",
	} {
		d := Duration(7)
		err := d.UnmarshalText([]byte(text))
		if err == nil {
			t.Errorf("%q: read as %v", text, d.D())
			continue
		}
		if !strings.Contains(err.Error(), "expected a time") || strings.Contains(err.Error(), "\n") {
			t.Errorf("%q: the error does not say in one line what was expected: %v", text, err)
		}
		if d != 7 {
			t.Errorf("%q: the value was changed to %v", text, d.D())
		}
	}
}

func TestDurationPrintsWhatItReads(t *testing.T) {
	for _, want := range []time.Duration{
		0, time.Millisecond, time.Second, 90 * time.Minute, 36 * time.Hour, 400 * 24 * time.Hour, maxDuration,
		26*time.Hour + 3*time.Minute + 4*time.Second + 5*time.Millisecond,
	} {
		var d Duration
		text := Duration(want).String()
		if err := d.UnmarshalText([]byte(text)); err != nil || d.D() != want {
			t.Errorf("%v prints as %q and reads as %v, %v", want, text, d.D(), err)
		}
	}
}

func TestTOMLValuesOfTheWrongTypeAreRefused(t *testing.T) {
	for name, v := range map[string]interface{ UnmarshalTOML(any) error }{
		"Duration": new(Duration), "Seconds": new(Seconds), "Size": new(Size), "ByteSize": new(ByteSize),
		"Command": new(Command), "Strings": new(Strings), "Listens": new(Listens), "Umask": new(Umask),
	} {
		for _, raw := range []any{true, 1.5, time.Now(), map[string]any{}, []any{true}, []map[string]any{{}}} {
			err := v.UnmarshalTOML(raw)
			if err == nil {
				t.Errorf("%s took %v", name, raw)
				continue
			}
			if !strings.Contains(err.Error(), "expected") || !strings.Contains(err.Error(), TypeName(raw)) && !strings.Contains(err.Error(), "true or false") {
				t.Errorf("%s of %v: the error does not say what was found and expected: %v", name, raw, err)
			}
		}
	}
}

func TestSecondsTakesWholeNumbers(t *testing.T) {
	for _, raw := range []any{int64(10), "10"} {
		var s Seconds
		if err := s.UnmarshalTOML(raw); err != nil || s.D() != 10*time.Second {
			t.Errorf("%v: got %v, %v", raw, s, err)
		}
	}
	for _, raw := range []any{int64(-1), "10s", "", "1.5", int64(3153600001)} {
		var s Seconds
		if err := s.UnmarshalTOML(raw); err == nil {
			t.Errorf("%v: read as %v", raw, s)
		}
	}
}

func FuzzDuration(f *testing.F) {
	for _, s := range []string{"60", "1h 30m", "500ms", "1y2M3w", "-1", "9223372036854775807"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		var d, again Duration
		if d.UnmarshalText([]byte(s)) != nil {
			return
		}
		if d < 0 || d.D() > maxDuration {
			t.Fatalf("%q is out of range: %v", s, d.D())
		}
		if err := again.UnmarshalText([]byte(d.String())); err != nil || again != d {
			t.Fatalf("%q prints as %q, which reads as %v, %v", s, d, again.D(), err)
		}
	})
}
