package http1

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

func parsed(t *testing.T, fields string) *Request {
	t.Helper()
	var r Request
	if _, err := r.Parse([]byte("GET / HTTP/1.1\r\nHost: a\r\n"+fields+"\r\n"), nil); err != nil {
		t.Fatalf("%q: %v", fields, err)
	}
	return &r
}

func TestFieldsThatDoNotGoOn(t *testing.T) {
	tests := []struct {
		rule, fields string
		want         []string
	}{
		{"order and case are kept", "x-b: 1\r\nX-A: 2\r\n", []string{"x-b: 1", "X-A: 2"}},
		{"9: hop-by-hop", "Keep-Alive: 5\r\nTE: x\r\nTrailer: x\r\nUpgrade: x\r\nProxy-Connection: x\r\nProxy-Authorization: x\r\n", nil},
		{"9: named before", "Connection: x-a\r\nX-A: 1\r\n", nil},
		{"9: named after", "X-A: 1\r\nConnection: close, X-a\r\n", nil},
		{"9: named in a second field", "Connection: close\r\nX-A: 1\r\nConnection: X-A\r\n", nil},
		{"9: cannot be named away", "Connection: Cookie, authorization, Host\r\nCookie: a\r\nAuthorization: b\r\n", []string{"Cookie: a", "Authorization: b"}},
		{"10: forwarded-for family", "Forwarded: x\r\nX-Forwarded-For: x\r\nx-forwarded-ssl: x\r\nX-Forwarded-Protocol: x\r\nX-Real-IP: x\r\nX-Forwarded: x\r\n", nil},
		{"10: httpoxy", "Proxy: x\r\n", nil},
		{"11: names that WSGI folds", "X_A: 1\r\nSCRIPT_NAME: 1\r\nX.A: 1\r\nX!: 1\r\nX-A: 1\r\n", []string{"X-A: 1"}},
		{"12: h2c", "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: x\r\n", nil},
		{"Expect", "Expect: 100-continue\r\n", nil},
		{"framing is written anew", "Content-Length: 1\r\n", nil},
		{"near misses go on", "X-Forwarde: 1\r\nProxys: 1\r\nConnectiom: 1\r\nX-Real-IQ: 1\r\n", []string{"X-Forwarde: 1", "Proxys: 1", "Connectiom: 1", "X-Real-IQ: 1"}},
	}
	for _, tt := range tests {
		if got := forwardable(parsed(t, tt.fields).Fields); !slices.Equal(got, tt.want) {
			t.Errorf("%s: %q, want %q", tt.rule, got, tt.want)
		}
	}
}

func TestForwardedFieldsAreMarkedAndCannotBeNamedAway(t *testing.T) {
	r := parsed(t, "Connection: X-Forwarded-For\r\nX-Forwarded-For: 192.0.2.1\r\n")
	f := r.Fields[2]
	if !f.Forwarded || f.Drop {
		t.Errorf("forwarded %v, drop %v", f.Forwarded, f.Drop)
	}
}

// Names are told apart by their length first: none of the family may be missed
// because another known name is as long.
func TestForwardedFieldsAreMarkedAtEveryLength(t *testing.T) {
	for n := range 40 {
		name := "X-Forwarded-" + strings.Repeat("h", n)
		if f := parsed(t, name+": 1\r\n").Fields[1]; !f.Forwarded {
			t.Errorf("%s is not marked", name)
		}
	}
	if f := parsed(t, "x-forwarded-HOST: 1\r\n").Fields[1]; !f.Forwarded {
		t.Error("x-forwarded-HOST is not marked")
	}
}

func TestAppendForwardableJoinsCookies(t *testing.T) {
	r := parsed(t, "Cookie: a=1\r\nX-A: x\r\ncookie: b=2\r\nX-Real-IP: 192.0.2.1\r\nTE: x\r\n")
	if r.Cookies != 2 {
		t.Errorf("%d cookie fields", r.Cookies)
	}
	const want = "Cookie: a=1; b=2\r\nX-A: x\r\n"
	if got := string(r.Fields.AppendForwardable(nil, false)); got != want {
		t.Errorf("untrusted: %q", got)
	}
	if got := string(r.Fields.AppendForwardable(nil, true)); got != want+"X-Real-IP: 192.0.2.1\r\n" {
		t.Errorf("trusted: %q", got)
	}
}

// writtenAnew is AppendForwardable without its short cut.
func writtenAnew(f Fields, trusted bool) []byte {
	var dst []byte
	cookies := false
	for i := range f {
		switch {
		case f[i].Drop || f[i].Forwarded && !trusted:
		case !f[i].IsCookie():
			dst = AppendField(dst, f[i].Name, f[i].Value)
		case !cookies:
			cookies = true
			dst = f.appendCookie(dst, f[i].Name)
		}
	}
	return dst
}

// Lines that are copied as they came are the same as if each had been written anew.
func TestForwardedLinesAreAsIfWrittenAnew(t *testing.T) {
	lines := []string{
		"X-A: 1\r\n", "X-B:2\r\n", "X-C:  3\r\n", "X-D: 4 \r\n", "X-E:\t5\r\n", "X-F: \r\n", "X-G:\r\n", "X-H: a: b\t c\r\n",
		"TE: x\r\n", "Cookie: a\r\n", "cookie:b\r\n", "X-Real-IP: 192.0.2.1\r\n", "X_U: 1\r\n", "X-I: \xe4\r\n",
	}
	random := rand.New(rand.NewPCG(1, 2))
	for range 20_000 {
		var head strings.Builder
		for range random.IntN(8) {
			head.WriteString(lines[random.IntN(len(lines))])
		}
		r := parsed(t, head.String())
		for _, trusted := range []bool{false, true} {
			got, want := r.Fields.AppendForwardable(nil, trusted), writtenAnew(r.Fields, trusted)
			if string(got) != string(want) {
				t.Fatalf("%q, trusted %v:\n%q, want\n%q", head.String(), trusted, got, want)
			}
		}
	}
}

func TestLinesOfTwoBuffersAreNotTakenForOne(t *testing.T) {
	a, b := parsed(t, "X-A: 1\r\n"), parsed(t, "X-B: 2\r\n")
	both := Fields{a.Fields[1], b.Fields[1], a.Fields[1]}
	if got := string(both.AppendForwardable(nil, false)); got != "X-A: 1\r\nX-B: 2\r\nX-A: 1\r\n" {
		t.Errorf("%q", got)
	}
}

func TestAppendValuesJoinsAsNginx(t *testing.T) {
	r := parsed(t, "X-A: 1\r\nx-a:\r\nX-A: 3\r\nCookie: a\r\nCookie: b\r\nX-E:\r\n")
	for _, tt := range []struct {
		name, want string
		found      bool
	}{
		{"x-a", "1, , 3", true}, {"cookie", "a; b", true}, {"x-e", "", true}, {"x-none", "", false},
	} {
		got, found := r.AppendValues([]byte("^"), tt.name)
		if string(got) != "^"+tt.want || found != tt.found {
			t.Errorf("%s: %q, %v", tt.name, got, found)
		}
	}
	if v, found := r.Get("x-a"); string(v) != "1" || !found {
		t.Errorf("Get: %q, %v", v, found)
	}
}

func TestManyConnectionOptionsCostBoundedWork(t *testing.T) {
	m := framing{}
	for i := range maxOptions + 1 {
		err := m.takeOptions([]byte("a"), nil)
		if (err != nil) != (i == maxOptions) {
			t.Fatalf("option %d: %v", i+1, err)
		}
	}
}
