package accesslog

import (
	"reflect"
	"strings"
	"testing"
	"time"

	"paddock/internal/value"
)

func TestAccessLogIsWrittenInEachOfItsForms(t *testing.T) {
	for _, test := range []struct {
		toml any
		want Settings
	}{
		{"off", Settings{{Off: true}}},
		{"/a.log", Settings{{Path: "/a.log"}}},
		{"/a.log main", Settings{{Path: "/a.log", Format: "main"}}},
		{"/a.log main buffer=32k gzip=3 flush=5m if=$loggable", Settings{{
			Path: "/a.log", Format: "main", Buffer: 32 << 10, Gzip: 3, Flush: value.Duration(5 * time.Minute), If: "$loggable",
		}}},
		{"/a.log gzip", Settings{{Path: "/a.log", Gzip: 1}}},
		{"syslog:server=[::1]:12345,facility=local7,tag=x,severity=info combined", Settings{{Path: "syslog:server=[::1]:12345,facility=local7,tag=x,severity=info", Format: "combined"}}},
		{[]any{"/a.log", map[string]any{"path": "/b b.log", "format": "json", "if": "$arg_x"}}, Settings{{Path: "/a.log"}, {Path: "/b b.log", Format: "json", If: "$arg_x"}}},
		{
			map[string]any{"maxbytes": "10MB", "every": "daily", "backups": int64(7), "compress": true, "owner": "root:adm", "mode": "0600", "gzip": false, "buffer": int64(512), "flush": int64(2)},
			Settings{{
				Buffer: 512, Flush: value.Duration(2 * time.Second),
				Rotation: Rotation{Maxbytes: 10 << 20, Every: "daily", Backups: 7, Compress: true, Owner: "root:adm", Mode: "0600"},
			}},
		},
		{map[string]any{"gzip": true}, Settings{{Gzip: 1}}},
	} {
		var got Settings
		if err := got.UnmarshalTOML(test.toml); err != nil || !reflect.DeepEqual(got, test.want) {
			t.Errorf("%v: got %+v, %v", test.toml, got, err)
		}
		for _, s := range got {
			if err := s.Check(); err != nil {
				t.Errorf("%v: %v", test.toml, err)
			}
		}
	}
}

func TestAccessLogThatSaysNothingUsefulIsRefused(t *testing.T) {
	for _, test := range []struct {
		toml any
		want string
	}{
		{"", "the value is empty"},
		{"off now", `nothing may follow "off"`},
		{"/a.log main x", `unknown parameter "x"`},
		{"/a.log buffer=0", "buffer: expected a size above 0"},
		{"/a.log gzip=10", "gzip: expected true, false or a level from 1 to 9, got 10"},
		{"/a.log buffer=1k flush=0", "flush: expected a time above 0"},
		{true, "expected \"off\""},
		{[]any{}, "the array is empty"},
		{[]any{"off", "/a.log"}, `"off" stands beside another log`},
		{map[string]any{"pth": "/a"}, `unknown key "pth"`},
		{map[string]any{"backups": int64(0)}, "backups: expected a number from 1 to 1000"},
		{map[string]any{"compress": "yes"}, "compress: expected true or false"},
	} {
		var got Settings
		if err := got.UnmarshalTOML(test.toml); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%v: got %v, want %q", test.toml, err, test.want)
		}
	}
}

func TestPartsOfAnAccessLogThatDoNotFitAreRefused(t *testing.T) {
	for _, test := range []struct {
		s    Setting
		want string
	}{
		{Setting{Path: "/a/$host.log", Buffer: 1}, "buffer, flush and gzip are for a file without $variables"},
		{Setting{Path: "syslog:server=a", Gzip: 1}, "buffer, flush and gzip are for a file without $variables"},
		{Setting{Path: "/a/$host.log", Rotation: Rotation{Every: "daily"}}, "only a file without $variables in its path is rotated"},
		{Setting{Path: "/a.log", Flush: 1}, "flush without a buffer"},
		{Setting{Path: "/a.log", Gzip: 1, Rotation: Rotation{Every: "daily", Compress: true}}, "packed already"},
		{Setting{Path: "/a.log", Rotation: Rotation{Every: "often"}}, `every = "often"; expected hourly, daily, weekly or monthly`},
		{Setting{Path: "/a.log", Rotation: Rotation{Backups: 3}}, "expected maxbytes or every beside them"},
		{Setting{Path: "/a.log", Rotation: Rotation{Mode: "0999"}}, "expected an octal mode"},
		{Setting{Path: "/a.log", Rotation: Rotation{Mode: "0755"}}, "expected an octal mode"},
		{Setting{Path: "/a.log", Rotation: Rotation{Owner: ":adm"}}, `expected "USER" or "USER:GROUP"`},
		{Setting{Path: "/$host.log"}, "expected the path of a folder in front of the first variable"},
		{Setting{Path: "/a/$nothing.log"}, "unknown variable $nothing"},
		{Setting{Path: "syslog:facility=user"}, "no server"},
		{Setting{Path: "syslog:server=a,facility=x"}, `unknown facility "x"`},
		{Setting{Path: "syslog:server=a,severity=x"}, `unknown severity "x"`},
		{Setting{Path: "syslog:server=a,tag=a-b"}, `the tag is "a-b"`},
		{Setting{Path: "syslog:server=a,port=1"}, `unknown parameter "port=1"`},
	} {
		if err := test.s.Check(); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%+v: got %v, want %q", test.s, err, test.want)
		}
	}
}

func TestTwoPlacesOfOneLogMayNotDisagree(t *testing.T) {
	a := Target{Path: "/a", Buffer: 512}
	if err := a.Merge(Target{Path: "/a", Rotation: Rotation{Every: "daily"}}); err != nil || a.Every != "daily" || a.Buffer != 512 {
		t.Errorf("got %+v, %v", a, err)
	}
	if err := a.Merge(Target{Path: "/a", Buffer: 1024}); err == nil {
		t.Error("two buffers of one log were taken")
	}
}

func TestLogsRotateAtTheFullHourDayWeekAndMonth(t *testing.T) {
	now := time.Date(2026, 3, 29, 23, 30, 0, 0, zone) // a Sunday
	for every, want := range map[string]string{
		"hourly": "2026-03-30 00:00", "daily": "2026-03-30 00:00", "weekly": "2026-03-30 00:00", "monthly": "2026-04-01 00:00",
	} {
		r := Rotation{Every: every}
		if got := r.Next(now).Format("2006-01-02 15:04"); got != want {
			t.Errorf("%s: got %s, want %s", every, got, want)
		}
	}
	weekly := Rotation{Every: "weekly"}
	if got := weekly.Next(weekly.Next(now)).Format("2006-01-02"); got != "2026-04-06" {
		t.Errorf("the week after: got %s", got)
	}
	if never := (&Rotation{Maxbytes: 1}).Next(now); !never.IsZero() {
		t.Errorf("got %v for a log that rotates by size alone", never)
	}
}

// What is taken can be used, and what is refused leaves nothing behind.
func FuzzAccessLogText(f *testing.F) {
	for _, text := range []string{
		"off", "/a.log main buffer=32k gzip=3 flush=5m if=$host", "syslog:server=unix:/dev/log,facility=user,severity=debug,tag=x,nohostname", "/a/$host/b.log", "/a/${", "syslog:server=[::1", "x gzip buffer=",
	} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		var s Setting
		if err := s.UnmarshalTOML(text); err != nil {
			if s != (Setting{}) {
				t.Errorf("%q was refused, and left %+v", text, s)
			}
			return
		}
		if s.Off || s.Check() != nil {
			return
		}
		switch KindOf(s.Path) {
		case KindSyslog:
			if p, err := parseSyslog(s.Path); err != nil || p.addr == "" || p.priority < 0 || p.priority > 191 {
				t.Errorf("%q: %+v, %v", text, p, err)
			}
		case KindFolder:
			p, err := parseFolderPath(s.Path)
			if err != nil || !strings.HasPrefix(s.Path, p.dir) || strings.Contains(p.dir, "$") {
				t.Errorf("%q: %+v, %v", text, p, err)
			}
		}
	})
}
