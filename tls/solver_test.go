package tls

import (
	"context"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/caddyserver/certmagic"
	"github.com/mholt/acmez/v3/acme"

	"paddock/internal/value"
)

func challenge(kind, identifier, name string) acme.Challenge {
	return acme.Challenge{Type: kind, Token: "tok-1", KeyAuthorization: "tok-1.thumb", Identifier: acme.Identifier{Type: identifier, Value: name}}
}

// Whichever machine of those that share a store is asked, it answers.
func TestChallengesAreAnsweredByEveryMachineOfAStore(t *testing.T) {
	storage := &certmagic.FileStorage{Path: t.TempDir()}
	own, other := newSolver(), newSolver()
	own.use(storage)
	other.use(storage)
	for _, c := range []acme.Challenge{challenge(challengeHTTP, "dns", "a.test"), challenge(challengeTLS, "dns", "a.test"), challenge(challengeTLS, "ip", "192.0.2.1"), challenge(challengeTLS, "ip", "2001:db8::1")} {
		must(t, own.Present(t.Context(), c))
		for i, s := range []*solver{own, other} {
			if c.Type == challengeHTTP {
				if got, ok := s.token(t.Context(), "a.test", "tok-1"); !ok || got != "tok-1.thumb" {
					t.Errorf("machine %d: %q, %v", i, got, ok)
				}
				if got, ok := s.token(t.Context(), "a.test", "tok-2"); ok {
					t.Errorf("machine %d answers a token that there is not: %q", i, got)
				}
			} else if _, ok := s.proof(t.Context(), askedName(c)); !ok {
				t.Errorf("machine %d has no proof for %s", i, askedName(c))
			}
		}
		if back := unreversed(askedName(c)); back != c.Identifier.Value {
			t.Errorf("%s comes back as %s", c.Identifier.Value, back)
		}
		must(t, own.CleanUp(t.Context(), c))
		_, answered := other.token(t.Context(), "a.test", "tok-1")
		_, proved := other.proof(t.Context(), askedName(c))
		if answered || proved {
			t.Errorf("%s: answered after its end", c.Type)
		}
	}
}

func TestHookIsCalledAsCertbotCallsIt(t *testing.T) {
	dir := t.TempDir()
	script := filepath.Join(dir, "hook")
	must(t, os.WriteFile(script, []byte("#!/bin/sh\nenv | grep ^CERTBOT_ | sort > "+dir+"/$1\necho made it\n"), 0o755))
	h := &hook{auth: []string{script, "auth"}, cleanup: []string{script, "cleanup"}, printed: map[string]string{}}
	c := challenge(challengeDNS, "dns", "w.test")
	must(t, h.Present(t.Context(), c))
	must(t, h.CleanUp(t.Context(), c))
	for name, output := range map[string]string{"auth": "", "cleanup": "made it"} {
		got, err := os.ReadFile(filepath.Join(dir, name))
		must(t, err)
		want := "CERTBOT_ALL_DOMAINS=w.test\nCERTBOT_AUTH_OUTPUT=" + output + "\nCERTBOT_DOMAIN=w.test\nCERTBOT_REMAINING_CHALLENGES=0\nCERTBOT_TOKEN=tok-1\nCERTBOT_VALIDATION=" + c.DNS01KeyAuthorization() + "\n"
		if string(got) != want {
			t.Errorf("%s: got\n%s\nwant\n%s", name, got, want)
		}
	}
	h.auth = []string{"/bin/sh", "-c", "echo no such zone >&2; exit 3"}
	if err := h.Present(t.Context(), c); err == nil || !strings.Contains(err.Error(), "no such zone") || !strings.Contains(err.Error(), "exit status 3") {
		t.Errorf("a hook that fails: %v", err)
	}
}

// A hook that is told to end ends with all that it has started.
func TestHookEndsWithItsChildren(t *testing.T) {
	fifo := filepath.Join(t.TempDir(), "fifo")
	must(t, syscall.Mkfifo(fifo, 0o600))
	ctx, cancel := context.WithCancel(t.Context())
	h := &hook{auth: []string{"/bin/sh", "-c", "sleep 60 >" + fifo + " 2>&1 & wait"}, printed: map[string]string{}}
	ended := make(chan error, 1)
	go func() { ended <- h.Present(ctx, challenge(challengeDNS, "dns", "w.test")) }()
	alive, err := os.Open(fifo) // waits for the child
	must(t, err)
	defer alive.Close()
	cancel()
	if err := <-ended; err == nil {
		t.Error("a hook that was told to end has succeeded")
	}
	must(t, alive.SetReadDeadline(time.Now().Add(10*time.Second)))
	if _, err := alive.Read(make([]byte, 1)); err != io.EOF {
		t.Errorf("its child lives on: %v", err)
	}
}

// The record of an order that is cut is taken away, but the end does not wait for that
// as long as an order would.
func TestCleanupIsBoundedAtTheEnd(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	h := &hook{auth: []string{"/bin/true"}, cleanup: []string{"/bin/sh", "-c", "echo cleaned >&2; exit 3"}, endTime: hookEndTime, printed: map[string]string{}}
	if err := h.CleanUp(ctx, challenge(challengeDNS, "dns", "w.test")); err == nil || !strings.Contains(err.Error(), "cleaned") {
		t.Errorf("the hook did not run: %v", err)
	}
	h.cleanup, h.endTime = []string{"/bin/sleep", "60"}, time.Millisecond
	if err := h.CleanUp(ctx, challenge(challengeDNS, "dns", "w.test")); err == nil || !strings.Contains(err.Error(), "killed") {
		t.Errorf("a hook that goes on: %v", err)
	}
}

func TestSectionThatCannotWorkIsRefused(t *testing.T) {
	hook := value.Command{Text: "hook", Args: []string{"hook"}}
	private := []Authority{{Directory: "https://ca.test/dir"}}
	auto := func(names ...string) []SiteSetup { return []SiteSetup{{Site: Site{TLS: ModeAuto}, Names: names}} }
	for _, c := range []struct {
		name   string
		config Config
		sites  []SiteSetup
		want   string
	}{
		{"empty", Config{}, auto("a.test", "192.0.2.1"), ""},
		{"a name of this machine", Config{}, auto("app.localhost"), "server[0].server_name"},
		{"a name without a dot", Config{}, auto("intranet"), "server[0].server_name"},
		{"a private address", Config{}, auto("10.0.0.1"), "server[0].server_name"},
		{"a private name from a public authority by its address", Config{Authority: []Authority{{Directory: directories["letsencrypt"].Directory}}}, auto("intranet"), "server[0].server_name"},
		{"cleanup without what makes the record", Config{ManualCleanupHook: hook}, nil, "tls.manual_cleanup_hook"},
		{"private names from a private authority", Config{Authority: private}, auto("app.localhost", "intranet", "10.0.0.1"), ""},
		{"named authorities", Config{Authority: []Authority{{}, {Directory: "zerossl", EABKeyID: "x", EABKeyFile: "y"}}}, nil, ""},
		{"wildcard", Config{}, auto("a.test", "*.a.test"), "server[0].server_name"},
		{"wildcard with a hook", Config{ManualAuthHook: hook}, auto(".a.test"), ""},
		{"dns-01 without a hook", Config{Challenges: value.Strings{"dns-01"}}, nil, "tls.challenges"},
		{"plain directory", Config{Authority: []Authority{{Directory: "http://ca.test/dir"}}}, nil, "tls.authority[0].directory"},
		{"binding without its key", Config{Authority: []Authority{{EABKeyID: "x"}}}, nil, "tls.authority[0].eab_hmac_key_file"},
		{"mail", Config{Email: "ops"}, nil, "tls.email"},
	} {
		var problems value.Problems
		c.config.Validate("tls", c.sites, &problems)
		if c.want == "" && len(problems) > 0 || c.want != "" && (len(problems) != 1 || problems[0].Key != c.want) {
			t.Errorf("%s: %v; want %q", c.name, problems, c.want)
		}
	}
}

// Who writes the address of an authority that has a name gets what the name brings.
func TestAuthorityIsTheSameByNameAndByAddress(t *testing.T) {
	for name, known := range directories {
		if byName, byAddress := (Authority{Directory: name}).resolved(), (Authority{Directory: known.Directory}).resolved(); byName != byAddress {
			t.Errorf("%s: %+v, by its address %+v", name, byName, byAddress)
		}
	}
}

// What is wrong with a file is said with its path.
func TestProblemsOfAuthorityFilesNameThem(t *testing.T) {
	a := Authority{TrustedRoots: "roots.pem", EABKeyID: "kid", EABKeyFile: "eab.key"}
	read := func(string) ([]byte, error) { return []byte("not base64!"), nil }
	reported := map[string]string{}
	a.Read(read, func(key string, err error) { reported[key] = err.Error() })
	for key, path := range map[string]string{"trusted_roots": "roots.pem", "eab_hmac_key_file": "eab.key"} {
		if !strings.HasPrefix(reported[key], path+": ") || !strings.Contains(reported[key], "expected") {
			t.Errorf("%s: %q", key, reported[key])
		}
	}
}
