package config

import (
	"flag"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write docs/configuration.md")

const referencePath = "../../docs/configuration.md"

const referenceHead = `# Configuration reference

Generated from the structs that a file is decoded into (` + "`go test ./internal/config -run Reference -update`" + `), so
that it names every key there is and no other. [config.example.toml](../config.example.toml) shows them in use.

Times and sizes have the units of the key's origin: nginx's (` + "`500ms`, `60s`, `8k`, `1m`" + `) or Supervisor's (` + "`50MB`" + `); a
bare number is seconds or bytes. Relative paths are relative to the file that holds them.
`

// sections are the tables of a file, in the order of the reference.
var sections = []struct {
	title, about string
	value        any
}{
	{"(top level)", "", topLevel{}},
	{"[paddock]", "Where things live, and who the proxy is. A change takes a restart.", Paddock{}},
	{"[log]", "The daemon's own log. A change takes a restart.", Log{}},
}

// abouts are the texts of sections whose types are made of parts.
var abouts = map[string]string{
	"[app.NAME]":          "An app: a program that serves HTTP on a socket that Paddock holds. All keys of a program, and those of a proxied upstream.",
	"[program.NAME]":      "A program that is kept running. Every key has Supervisor's name, meaning and default, but for stopasgroup and killasgroup.",
	"[upstream.NAME]":     "Servers that Paddock does not spawn (nginx: upstream). Apps and upstreams share one name space.",
	"[tls]":               "Where the certificates of tls = \"auto\" come from.",
	"[[tls.authority]]":   "An ACME authority. They are tried in their order until one issues; without any it is Let's Encrypt.",
	"[metrics]":           "Figures for Prometheus; off unless listen is set.",
	"[[server]]":          "A virtual server (nginx: server).",
	"[[server.location]]": "What happens to some of a server's paths (nginx: location). Settings not given here are the server's.",
}

// topLevel is what stands outside of any table.
type topLevel struct {
	Include []string `toml:"include"` // globs of more files, relative to the main file; one level
}

// TestReferenceIsUpToDate also writes the reference, with -update.
func TestReferenceIsUpToDate(t *testing.T) {
	comments := fieldComments(t, ".", "../../supervisor", "../../proxy", "../../accesslog", "../metrics", "../../tls")
	var b strings.Builder
	b.WriteString(referenceHead)
	for _, s := range sections {
		writeSection(&b, s.title, s.about, reflect.TypeOf(s.value), comments)
	}
	c := reflect.TypeFor[Config]()
	for f := range c.Fields() {
		name := f.Tag.Get("toml")
		elem := f.Type
		switch {
		case name == "" || name == "include" || name == "paddock" || name == "log":
			continue
		case elem.Kind() == reflect.Map && elem.Elem().Kind() == reflect.Struct && hasKeys(elem.Elem()):
			writeSection(&b, "["+name+".NAME]", "", elem.Elem(), comments)
		case elem.Kind() == reflect.Slice && elem.Elem().Kind() == reflect.Struct:
			writeSection(&b, "[["+name+"]]", "", elem.Elem(), comments)
		case elem.Kind() == reflect.Struct && hasKeys(elem):
			writeSection(&b, "["+name+"]", "", elem, comments)
		default:
			fmt.Fprintf(&b, "\n## [%s]\n\n%s\n", name, comments["Config."+f.Name])
		}
	}
	want := b.String()
	if *update {
		if err := os.WriteFile(referencePath, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(referencePath)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != want {
		t.Error("docs/configuration.md does not say what the structs say; run: go test ./internal/config -run Reference -update")
	}
}

// writeSection writes the keys of a table, and those of the arrays of tables in it.
func writeSection(b *strings.Builder, title, about string, t reflect.Type, comments map[string]string) {
	fmt.Fprintf(b, "\n## %s\n\n", title)
	if about == "" {
		about = abouts[title]
	}
	if about != "" {
		fmt.Fprintf(b, "%s\n\n", about)
	}
	b.WriteString("| key | value | meaning, default |\n|---|---|---|\n")
	var nested []reflect.StructField
	writeKeys(b, t, comments, &nested)
	for _, f := range nested {
		writeSection(b, "[["+strings.Trim(title, "[]")+"."+f.Tag.Get("toml")+"]]", "", f.Type.Elem(), comments)
	}
}

func writeKeys(b *strings.Builder, t reflect.Type, comments map[string]string, nested *[]reflect.StructField) {
	for f := range t.Fields() {
		key := f.Tag.Get("toml")
		switch {
		case f.Anonymous:
			writeKeys(b, f.Type, comments, nested)
		case key == "":
		case f.Type.Kind() == reflect.Slice && f.Type.Elem().Kind() == reflect.Struct && hasKeys(f.Type.Elem()):
			*nested = append(*nested, f)
		default:
			text := strings.ReplaceAll(comments[t.Name()+"."+f.Name], "|", `\|`)
			fmt.Fprintf(b, "| `%s` | %s | %s |\n", key, typeName(f.Type), text)
		}
	}
}

// hasKeys tells a table from a value that is written in one piece.
func hasKeys(t reflect.Type) bool {
	for field := range t.Fields() {
		if field.Tag.Get("toml") != "" || field.Anonymous && hasKeys(field.Type) {
			return true
		}
	}
	return false
}

// typeName says what a key takes, for people.
func typeName(t reflect.Type) string {
	if t.Kind() == reflect.Pointer {
		return typeName(t.Elem())
	}
	switch t.Name() {
	case "Duration":
		return "time"
	case "Seconds":
		return "seconds"
	case "Size", "ByteSize":
		return "size"
	case "Strings":
		return "string or array of strings"
	case "Listens":
		return "address or array of addresses"
	case "Listen":
		return "address"
	case "Command":
		return "command line"
	case "Signal":
		return "signal"
	case "Umask":
		return "octal in quotes"
	case "Autorestart":
		return `true, false or "unexpected"`
	case "AddedHeaders":
		return "table"
	case "Expires":
		return `time, "epoch", "max" or "off"`
	case "Settings":
		return "off, text, table or array"
	}
	switch t.Kind() {
	case reflect.Bool:
		return "true or false"
	case reflect.String:
		return "string"
	case reflect.Int, reflect.Int64:
		return "number"
	case reflect.Slice:
		return "array of " + typeName(t.Elem()) + "s"
	case reflect.Map:
		return "table"
	}
	return strings.ToLower(t.Name())
}

// fieldComments reads the comments of all struct types in some folders: by
// "Type" and by "Type.Field".
func fieldComments(t *testing.T, folders ...string) map[string]string {
	t.Helper()
	out := map[string]string{"topLevel.Include": "globs of more files, relative to the main file; one level"}
	for _, folder := range folders {
		files, err := filepath.Glob(filepath.Join(folder, "*.go"))
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range files {
			if strings.HasSuffix(name, "_test.go") {
				continue
			}
			f, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.ParseComments)
			if err != nil {
				t.Fatal(err)
			}
			for _, d := range f.Decls {
				if g, ok := d.(*ast.GenDecl); ok {
					typeComments(g, out)
				}
			}
		}
	}
	return out
}

func typeComments(g *ast.GenDecl, out map[string]string) {
	for _, spec := range g.Specs {
		ts, ok := spec.(*ast.TypeSpec)
		if !ok {
			continue
		}
		st, ok := ts.Type.(*ast.StructType)
		if !ok {
			continue
		}
		out[ts.Name.Name] = joined(g.Doc.Text())
		for _, f := range st.Fields.List {
			text := f.Comment.Text()
			if text == "" {
				text = f.Doc.Text()
			}
			for _, n := range f.Names {
				if text != "" { // packages share names of types
					out[ts.Name.Name+"."+n.Name] = joined(text)
				}
			}
		}
	}
}

func joined(s string) string { return strings.Join(strings.Fields(s), " ") }
