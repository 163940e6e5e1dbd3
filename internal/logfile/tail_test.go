package logfile

import (
	"slices"
	"testing"
)

func TestTailKeepsTheLastLines(t *testing.T) {
	tests := []struct {
		name   string
		size   int
		writes []string
		n      int
		want   []string
	}{
		{"nothing was written", 8, nil, 5, nil},
		{"all of it", 100, []string{"a\nb", "c\n"}, 5, []string{"a", "bc"}},
		{"the last two", 100, []string{"a\nb\nc\n"}, 2, []string{"b", "c"}},
		{"a line that is not finished", 100, []string{"a\nb"}, 5, []string{"a", "b"}},
		{"empty lines", 100, []string{"a\n\n\n"}, 5, []string{"a", "", ""}},
		{"none asked for", 100, []string{"a\n"}, 0, nil},
		{"exactly full", 4, []string{"a\n", "b\n"}, 5, []string{"a", "b"}},
		{"the oldest line is cut", 4, []string{"abc\n", "d\n"}, 5, []string{"d"}},
		{"one write larger than all", 5, []string{"x\n", "abcdef\ngh\n"}, 5, []string{"gh"}},
		{"one line larger than all", 3, []string{"abcdef"}, 5, []string{"def"}},
		{"around several times", 6, []string{"1\n2\n", "3\n4\n", "5\n6\n", "7\n"}, 2, []string{"6", "7"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			tail := NewTail(test.size)
			for _, text := range test.writes {
				if n, err := tail.Write([]byte(text)); n != len(text) || err != nil {
					t.Fatalf("write %q: %d, %v", text, n, err)
				}
			}
			if got := tail.Lines(test.n); !slices.Equal(got, test.want) {
				t.Errorf("got %q, expected %q", got, test.want)
			}
		})
	}
}
