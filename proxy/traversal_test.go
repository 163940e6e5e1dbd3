package proxy

import (
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Whatever a path is made of, it leads to no file outside of its folder, to none
// that is hidden, and to nobody's upstream.
func TestNoSpellingOfAPathLeavesItsFolder(t *testing.T) {
	const secret = "TOP-SECRET"
	top := t.TempDir()
	inside := filepath.Join(top, "static")
	for name, text := range map[string]string{
		"static/ok.txt": "public", "static/sub/ok.txt": "public", "static/.env": secret, "static/.git/config": secret, "static/ok.txt~": secret, "static/ok.txt.bak": secret, "static/sub/.htpasswd": secret,
		"secret.txt": secret, "other/ok.txt": secret, "staticx/ok.txt": secret, "static.txt": secret,
	} {
		path := filepath.Join(top, name)
		must(t, os.MkdirAll(filepath.Dir(path), 0o755))
		must(t, os.WriteFile(path, []byte(text), 0o644))
	}
	for name, to := range map[string]string{"link.txt": "../secret.txt", "dir": "../other", "abs": filepath.Join(top, "other"), "up": "..", "sub/back": "../../other", "loop": "loop"} {
		must(t, os.Symlink(to, filepath.Join(inside, name)))
	}
	r := newStrictRig(t, func(c *Config) {
		c.Servers[0].Location = []Location{
			{Path: "/static/", Alias: inside + "/"},
			{Path: "/bare", Alias: inside},
			{Path: "/root/", Settings: Settings{SiteSettings: SiteSettings{Root: top}}, Internal: true},
			{Path: "/try/", Alias: inside + "/", TryFiles: "$uri $arg_f $http_x_file $uri/ =404"},
			{Path: "/", Settings: Settings{SiteSettings: SiteSettings{Root: inside}}},
		}
	})
	pieces := []string{
		"..", ".", "/", "//", "%2e", "%2E%2e", "%2f", "%2F..", "..%2f", "%5c", "..%5c..", ";", "..;", "%00", "%20", "%09", "~", "%7e", "%252e%252e", "%c0%ae%c0%ae", "%e0%80%af", "%u002e", "...", "..\x80", "*", "%", "link.txt", "dir", "abs", "up", "loop", "sub", "back", "ok.txt", "OK.TXT", ".env", "%2eenv",
		".git", "config", "bak", ".bak", "secret.txt", "other", "static", "staticx", ".txt", "x", "sub/back/ok.txt", "up/secret.txt", "?", "&f=", "..././", "/./", "/x/../", "C:", "file:", "http://a.test/", filepath.Join(top, "secret.txt"), "::$DATA", "%23", "ok.txt/", ".htpasswd",
	}
	random := rand.New(rand.NewPCG(25, 1))
	found := 0
	for range 4000 {
		var target strings.Builder
		target.WriteString([]string{"/static/", "/bare", "/bare/", "/root/", "/try/", "/", "/static", "/try/x?f=", "http://a.test/static/"}[random.IntN(9)])
		for range random.IntN(7) {
			target.WriteString(pieces[random.IntN(len(pieces))])
			if random.IntN(2) == 0 {
				target.WriteString("/")
			}
		}
		field := pieces[random.IntN(len(pieces))] + "/" + pieces[random.IntN(len(pieces))]
		got := r.say("GET " + target.String() + " HTTP/1.1\r\nHost: a.test\r\nX-File: /" + field + "\r\nConnection: close\r\n\r\n")
		answers, err := readAnswers(got, false)
		if err != nil || len(answers) != 1 || strings.Contains(got, secret) {
			t.Errorf("%s with X-File %s: got %.300q, %v", target.String(), field, got, err)
			continue
		}
		if answers[0].status == 200 && answers[0].body == "public" {
			found++
		}
	}
	for range 60 {
		for path, public := range map[string]bool{
			"/static/ok.txt": true, "/static/sub/ok.txt": true, "/bare/ok.txt": true, "/try/ok.txt": true, "/sub/ok.txt": true, "/static/up/static/ok.txt": false, "/static/.env": false, "/.git/config": false, "/static/ok.txt~": false, "/static/ok.txt.bak": false, "/static/sub/.htpasswd": false,
			"/static/link.txt": false, "/link.txt": false, "/static/dir/ok.txt": false, "/bare/dir/ok.txt": false, "/abs/ok.txt": false, "/static/up/secret.txt": false, "/sub/back/ok.txt": false, "/static/loop/ok.txt": false, "/barex/ok.txt": false, "/bare.txt": false, "/root/secret.txt": false, "/static/../secret.txt": false,
		} {
			target := spell(random, path)
			got := r.say("GET " + target + " HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n")
			if strings.Contains(got, secret) || strings.HasSuffix(got, "\r\n\r\npublic") != public {
				t.Errorf("%s: got %.300q", target, got)
			}
		}
	}
	if seen, faults := r.app.take(); len(seen)+len(faults) > 0 {
		t.Errorf("the app got %q, %q", seen, faults)
	}
	t.Logf("%d of 4000 paths lead to a public file", found)
	if found == 0 {
		t.Error("no path leads to a public file")
	}
}
