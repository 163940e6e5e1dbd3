package proxy

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"paddock/internal/value"
)

func TestExpiresIsReadAsNginxReadsIt(t *testing.T) {
	now := time.Date(2026, 3, 9, 14, 5, 7, 0, time.UTC)
	for text, want := range map[string]string{
		"epoch": "Thu, 01 Jan 1970 00:00:01 GMT no-cache", "max": "Thu, 31 Dec 2037 23:55:55 GMT max-age=315360000", "0": "Mon, 09 Mar 2026 14:05:07 GMT max-age=0",
		"1h 30m": "Mon, 09 Mar 2026 15:35:07 GMT max-age=5400", "-1": "Mon, 09 Mar 2026 14:05:06 GMT no-cache", "+1d": "Tue, 10 Mar 2026 14:05:07 GMT max-age=86400",
		"modified 1h": "Thu, 29 Feb 2024 13:30:45 GMT no-cache", "modified 3y": "Sun, 28 Feb 2027 12:30:45 GMT max-age=30752738",
		"@15h": "Mon, 09 Mar 2026 15:00:00 GMT max-age=3293", "@14h": "Tue, 10 Mar 2026 14:00:00 GMT max-age=86093", "@0": "Tue, 10 Mar 2026 00:00:00 GMT max-age=35693",
	} {
		e, err := parseExpires(text)
		must(t, err)
		got := strings.NewReplacer("Expires: ", "", "\r\nCache-Control:", "", "\r\n", "").Replace(string(e.append(nil, now, siteTime)))
		if got != want {
			t.Errorf("%s: got %s, want %s", text, got, want)
		}
	}
	for _, bad := range []string{"", "soon", "@-1h", "@25h", "1ms", "--1", "modified", "modified x", "1h1h"} {
		if e, err := parseExpires(bad); err == nil {
			t.Errorf("%q was read as %+v", bad, e)
		}
	}
}

func TestErrorPageIsReadAsNginxReadsIt(t *testing.T) {
	for _, bad := range []string{"", "404", "/x", "404 =", "299 /x", "600 /x", "499 /x", "x /x", "= /x", "404 =99 /x", "404 $nope", "404 @"} {
		if p, err := parseErrorPage(bad); err == nil {
			t.Errorf("%q was read as %+v", bad, p)
		}
	}
	p, err := parseErrorPage("500  502 =503 @sorry")
	if err != nil || len(p.codes) != 2 || p.status != 503 || p.named != "sorry" {
		t.Errorf("%+v, %v", p, err)
	}
}

func TestNamedTargetHasToExist(t *testing.T) {
	cfg := validConfig(t)
	cfg.Servers[1].Root = "/srv"
	cfg.Servers[1].ErrorPage = value.Strings{"404 @gone"}
	cfg.Servers[1].Location[0].TryFiles = "$uri @app"
	cfg.Servers[1].Location[1].ErrorPage = value.Strings{"404 @gone2"}
	var problems value.Problems
	cfg.Validate(&problems)
	got := map[string]bool{}
	for _, p := range problems {
		got[p.Key] = true
	}
	if len(problems) != 3 || !got["server[1].error_page"] || !got["server[1].location[0].try_files"] || !got["server[1].location[1].error_page"] {
		t.Errorf("%+v", problems)
	}
}

func TestHiddenNamesAreFound(t *testing.T) {
	for _, hidden := range []string{"/.env", "/a/.git/config", "/.well-knownx", "/a~", "/x.BAK", "/b/c.swp", "/..a"} {
		if !isHidden([]byte(hidden)) {
			t.Errorf("%s is served", hidden)
		}
	}
	for _, plain := range []string{"/", "/a", "/a.b", "/.well-known/x", "/.well-known", "/a/.well-known/y", "/bak", "/a~b"} {
		if isHidden([]byte(plain)) {
			t.Errorf("%s is hidden", plain)
		}
	}
}

func FuzzRangesStayInsideTheFile(f *testing.F) {
	for _, s := range []string{"0-4", "-5", "5-", "0-1,3-4", "1-0", "-0", "99999999999999999999-", " 0 - 1 , 2-", ","} {
		f.Add([]byte(s), int64(20))
	}
	f.Fuzz(func(t *testing.T, spec []byte, size int64) {
		if size < 0 {
			return
		}
		ranges, outcome := parseRanges(spec, size)
		if (outcome == rangeTaken) != (len(ranges) > 0) || len(ranges) > maxRanges {
			t.Fatalf("outcome %d with %d ranges", outcome, len(ranges))
		}
		for _, r := range ranges {
			if r.start < 0 || r.start >= r.end || r.end > size {
				t.Fatalf("%q of %d: %+v", spec, size, r)
			}
		}
	})
}

func FuzzSiteTextsAreReadOrRefused(f *testing.F) {
	for _, s := range []string{"modified -1h", "404 =200 /x", "$uri $uri/ @app", "@3h", "= =", "gzip;q=0.5", "W/\"a\", *"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if e, err := parseExpires(s); err == nil && e.kind != expiresOff {
			e.append(nil, siteTime, siteTime)
		}
		if p, err := parseErrorPage(s); err == nil && (len(p.codes) == 0 || p.target == nil && p.named == "") {
			t.Fatalf("%q: %+v", s, p)
		}
		parseTryFiles(s)
		acceptsGzip([]byte(s))
		matchETag([]byte(s), []byte(`"a"`), true)
		parseHTTPTime([]byte(s))
	})
}

func FuzzAccelTargetsStayNormal(f *testing.F) {
	for _, s := range []string{"/a%2eb?c", "/..", "/%2e%2e/x", "/a/../b", "?x", "", "/a//b/./c", "/%2f%2e.%2f"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, target []byte) {
		path, _, _, ok := unsafeTarget(bytes.Clone(target))
		if ok && (len(path) == 0 || path[0] != '/' || bytes.Contains(path, []byte("/../")) || bytes.HasSuffix(path, []byte("/.."))) {
			t.Fatalf("%q: %q", target, path)
		}
	})
}
