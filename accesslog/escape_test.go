package accesslog

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"
)

// plainEscape is the rule of escape=default, written the slow way.
func plainEscape(value string) string {
	var b strings.Builder
	for i := range len(value) {
		if c := value[i]; c < 0x20 || c > 0x7e || c == '"' || c == '\\' {
			fmt.Fprintf(&b, `\x%02X`, c)
		} else {
			b.WriteByte(c)
		}
	}
	return b.String()
}

func FuzzEscape(f *testing.F) {
	for _, seed := range []string{"", "plain", "\"\\\n\x00\x7f\xff", "é", strings.Repeat("\n", 100)} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, value string) {
		got := Default.table().apply([]byte(`"`+value), 1)
		if want := `"` + plainEscape(value); string(got) != want {
			t.Fatalf("default: got %q, expected %q", got, want)
		}
		if got := None.table().apply([]byte(value), 0); string(got) != value {
			t.Fatalf("none: got %q, expected %q", got, value)
		}
		quoted := JSON.table().apply([]byte(`"`+value), 1)
		if bytes.ContainsAny(quoted, "\n\r") {
			t.Fatalf("json: %q has a line break", quoted)
		}
		if !utf8.ValidString(value) {
			return
		}
		var back string
		if err := json.Unmarshal(append(quoted, '"'), &back); err != nil || back != value {
			t.Fatalf("json: %q comes back as %q, %v", value, back, err)
		}
	})
}

func TestParseEscapeKnowsNginxsNames(t *testing.T) {
	for name, want := range map[string]Escape{"": Default, "default": Default, "json": JSON, "none": None} {
		if got, err := ParseEscape(name); err != nil || got != want {
			t.Errorf("%q: got %v, %v; expected %v", name, got, err, want)
		}
	}
	if _, err := ParseEscape("JSON"); err == nil || !strings.Contains(err.Error(), `"default", "json" or "none"`) {
		t.Errorf("got %v, expected the three names", err)
	}
}
