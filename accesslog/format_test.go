package accesslog

import (
	"strings"
	"testing"
)

func TestCombinedLineIsNginxs(t *testing.T) {
	e := usualEntry()
	e.Request = fields{"User-Agent", "M \"x\"\\\x01\x1f\x7f\xc3\xa9"}
	wantLine(t, Combined, Default, e,
		`192.0.2.1 - - [09/Mar/2026:14:05:07 +0200] "GET /a%20b/?Q=1&q=2&x HTTP/1.1" 200 512 "-" "M \x22x\x22\x5C\x01\x1F\x7F\xC3\xA9"`)
	wantLine(t, Combined, Default, rawEntry(),
		`192.0.2.1 - - [09/Mar/2026:14:05:06 +0200] "\x16\x03\x01" 400 50 "-" "-"`)
}

func TestEscapeChangesValuesAndNotLiterals(t *testing.T) {
	const value = "a\"\\\n\r\t\b\f\x00\x1f\x7f\xc3\xa9\xff"
	e := &Entry{Request: fields{"X", value, "Empty", ""}}
	tests := []struct {
		name   string
		escape Escape
		want   string
	}{
		{"default", Default, `"\` + `a\x22\x5C\x0A\x0D\x09\x08\x0C\x00\x1F\x7F\xC3\xA9\xFF` + "|-|é"},
		{"json", JSON, `"\` + `a\"\\\n\r\t\b\f\u0000\u001F` + "\x7f\xc3\xa9\xff" + "||é"},
		{"none", None, `"\` + value + "||é"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			wantLine(t, `"\$http_x|$http_absent|é$http_empty`, test.escape, e, test.want)
		})
	}
}

func TestCompileSaysWhatIsWrongAndWhere(t *testing.T) {
	tests := []struct{ text, want string }{
		{"$remote_add $status", "unknown variable $remote_add at byte 1; "},
		{"é $foo", "unknown variable $foo at byte 4; "},
		{"a ${Foo}", "unknown variable $Foo at byte 3; "},
		{"$http_", "unknown variable $http_ at byte 1; "},
		{"$1", "$1 at byte 1 is not supported: captures of regular expressions are not kept"},
		{"x $Limit_Rate", "$Limit_Rate at byte 3 is not supported: the rate of an answer is not limited"},
		{"$geoip_country", "$geoip_country at byte 1 is not supported: no address database is read"},
		{"$geoip_", "unknown variable $geoip_ at byte 1; "},
		{"cost: 5$", `invalid variable name at byte 8; expected "$name" or "${name}"`},
		{"$$status", "invalid variable name at byte 1; "},
		{"$-", "invalid variable name at byte 1; "},
		{"${}", "invalid variable name at byte 1; "},
		{"x${status", `the closing bracket of "${status" at byte 2 is missing; expected "${name}"`},
		{"${", `the closing bracket of "${" at byte 1 is missing; `},
		{"${status-}", `the closing bracket of "${status" at byte 1 is missing; `},
	}
	for _, test := range tests {
		t.Run(test.text, func(t *testing.T) {
			_, err := CompileFormat(test.text, Default)
			if err == nil || !strings.HasPrefix(err.Error(), test.want) {
				t.Errorf("format: got %v, expected %q", err, test.want)
			}
			if _, second := CompileTemplate(test.text); second == nil || second.Error() != err.Error() {
				t.Errorf("template: got %v, expected %v", second, err)
			}
		})
	}
}

func TestNamesAreTakenInBracesAndInAnyCase(t *testing.T) {
	wantLine(t, "${status}x$Status.$HTTP_User_Agent", Default, usualEntry(), "200x200.curl/7.88.1")
	wantLine(t, "", Default, usualEntry(), "")
	wantLine(t, "no variable }{", Default, usualEntry(), "no variable }{")
}

func TestTemplatePrintsValuesAsTheyAre(t *testing.T) {
	e := &Entry{Request: fields{"X", "a\"\xff\n"}}
	tmpl, err := CompileTemplate("<$http_x|$http_absent|${scheme}>")
	if err != nil {
		t.Fatal(err)
	}
	if got := string(tmpl.Append([]byte("1"), e)); got != "1<a\"\xff\n||>" {
		t.Errorf("got %q", got)
	}
	if text, ok := tmpl.Static(); ok {
		t.Errorf("it has variables, but is static as %q", text)
	}
	plain, err := CompileTemplate("no variable")
	if err != nil {
		t.Fatal(err)
	}
	if text, ok := plain.Static(); !ok || text != "no variable" {
		t.Errorf("got %q, %v; expected the text", text, ok)
	}
}

func TestFormatSettingCompiles(t *testing.T) {
	f, err := FormatSetting{Format: "$http_absent.", Escape: "json"}.Compile()
	if err != nil {
		t.Fatal(err)
	}
	if got := string(f.Append(nil, &Entry{})); got != "." {
		t.Errorf("got %q, expected what is missing to be empty in JSON", got)
	}
	if _, err := (FormatSetting{Format: "x", Escape: "xml"}).Compile(); err == nil {
		t.Error(`escape "xml" was accepted`)
	}
}

func TestAppendAllocatesNothing(t *testing.T) {
	const wide = Combined + ` $request_time $msec $upstream_addr $upstream_response_time $cookie_a $arg_q $remote_user $request_id`
	for _, text := range []string{Combined, wide} {
		f, err := CompileFormat(text, Default)
		if err != nil {
			t.Fatal(err)
		}
		e := usualEntry()
		e.Request = fields{"User-Agent", `a "quoted" agent`, "Authorization", "Basic Ym9iIGI6cHc="}
		line := make([]byte, 0, 4096)
		if n := testing.AllocsPerRun(100, func() { line = f.Append(line[:0], e) }); n != 0 {
			t.Errorf("%s: %v allocations a line, expected none", text, n)
		}
	}
}

func BenchmarkCombined(b *testing.B) {
	f, err := CompileFormat(Combined, Default)
	if err != nil {
		b.Fatal(err)
	}
	e, line := usualEntry(), make([]byte, 0, 4096)
	b.ReportAllocs()
	for b.Loop() {
		line = f.Append(line[:0], e)
	}
}

func FuzzCompileFormat(f *testing.F) {
	for _, seed := range []string{Combined, "$", "${", "${a}", "$$", "x$status", "${http_x}é", "$arg_q$cookie_a$remote_user"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		format, err := CompileFormat(text, Default)
		tmpl, second := CompileTemplate(text)
		if (err == nil) != (second == nil) {
			t.Fatalf("format says %v, template %v", err, second)
		}
		if err != nil {
			if strings.TrimSpace(err.Error()) == "" {
				t.Fatal("the error is empty")
			}
			return
		}
		if static, ok := tmpl.Static(); ok && static != text {
			t.Fatalf("static text %q of %q", static, text)
		}
		format.Append(nil, usualEntry())
		tmpl.Append(nil, rawEntry())
	})
}

func TestTextThatAsksTheDiskSaysSo(t *testing.T) {
	for text, want := range map[string]bool{
		"": false, "plain": false, "$document_root$request_filename $hostname $pid $time_local": false,
		"$realpath_root": true, "a ${REALPATH_ROOT} b": true, "$uri$realpath_root": true,
	} {
		template, err := CompileTemplate(text)
		if err != nil {
			t.Fatal(err)
		}
		format, err := CompileFormat(text, JSON)
		if err != nil {
			t.Fatal(err)
		}
		target := Target{Path: "/var/log/sites/" + text}
		if template.Waits() != want || format.Waits() != want || target.Waits() != want {
			t.Errorf("%q: %t, %t, %t; want %t", text, template.Waits(), format.Waits(), target.Waits(), want)
		}
	}
	if NewOwnJSON().Waits() || (&Target{Path: "syslog:server=127.0.0.1"}).Waits() {
		t.Error("the own format, or syslog, asks the disk")
	}
}
