package proxy

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// docs/security.md says which tests hold which rule.
func TestTestsThatTheDocumentationNamesAreThere(t *testing.T) {
	text, err := os.ReadFile("../docs/security.md")
	must(t, err)
	all := everyTest(t)
	rules := map[string]bool{}
	for line := range strings.SplitSeq(string(text), "\n") {
		m := regexp.MustCompile(`^\| ([0-9]+)\. `).FindStringSubmatch(line)
		if m == nil {
			continue
		}
		for _, name := range regexp.MustCompile("`(Test[A-Za-z0-9]+)`").FindAllStringSubmatch(line, -1) {
			rules[m[1]] = true
			if !all[name[1]] {
				t.Errorf("rule %s: there is no %s", m[1], name[1])
			}
		}
	}
	for rule := range strings.FieldsSeq("1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 19") {
		if !rules[rule] {
			t.Errorf("rule %s has no test", rule)
		}
	}
	for name := range all {
		if regexp.MustCompile(`^TestRule[0-9]`).MatchString(name) && !strings.Contains(string(text), "`"+name+"`") {
			t.Errorf("the documentation does not name %s", name)
		}
	}
}

// everyTest returns the names of all tests there are.
func everyTest(t *testing.T) map[string]bool {
	t.Helper()
	all := map[string]bool{}
	must(t, filepath.WalkDir("..", func(path string, _ fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, "_test.go") {
			return err
		}
		text, err := os.ReadFile(path)
		for _, m := range regexp.MustCompile(`(?m)^func (Test\w+)\(`).FindAllStringSubmatch(string(text), -1) {
			all[m[1]] = true
		}
		return err
	}))
	return all
}
