package config

import (
	"path/filepath"
	"strings"
	"testing"
)

func TestTextInMemoryIsCheckedAsAFileIs(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "main.toml")
	wrong := smallest + "[app.other]\ncomand = \"x\"\nhealth = \"nowhere\"\n"
	write(t, path, wrong)
	_, fromFile := Load(path)
	_, fromMemory := Parse(path, wrong, nil)
	if fromFile == nil || fromMemory == nil || fromFile.Error() != fromMemory.Error() {
		t.Errorf("from the file:\n%v\nfrom memory:\n%v", fromFile, fromMemory)
	}
	write(t, path, smallest)
	file, err := Load(path)
	if err != nil {
		t.Fatal(err)
	}
	memory, err := Parse(path, smallest, nil)
	if err != nil || memory.Sum != file.Sum || memory.Apps["web"].Directory != dir {
		t.Errorf("memory %+v, %v; file %+v", memory, err, file)
	}
}

func TestWhatHasNoKeyIsSetBeforeTheChecks(t *testing.T) {
	path := filepath.Join(t.TempDir(), "none.toml")
	c, err := Parse(path, smallest, func(c *Config) {
		a := c.Apps["web"]
		a.Dev = true
		c.Apps["web"] = a
	})
	if err != nil || !c.ProxyConfig().Apps["web"].Dev {
		t.Errorf("%+v, %v", c, err)
	}
	_, err = Parse(path, smallest, func(c *Config) { c.Servers[0].App = "other" })
	if err == nil || !strings.Contains(err.Error(), "other") {
		t.Errorf("what add sets is not checked: %v", err)
	}
	if _, err := Parse(path, smallest+"[app.web2]\ncommand = \"x\"\nDev = true\n", nil); err == nil || !strings.Contains(err.Error(), "unknown key") {
		t.Errorf("Dev in a file: %v", err)
	}
}

func TestExamplesLoad(t *testing.T) {
	files, err := filepath.Glob("../../examples/*/paddock.toml")
	if err != nil || len(files) < 2 {
		t.Fatalf("%d examples, %v", len(files), err)
	}
	for _, f := range files {
		if _, err := Load(f); err != nil {
			t.Error(err)
		}
	}
}
