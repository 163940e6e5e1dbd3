package http1

import "testing"

// The forms are those that nginx 1.22 gives as $uri.
func TestNormalPathIsThatOfNginx(t *testing.T) {
	tests := map[string]string{
		"/":                   "/",
		"/a/b":                "/a/b",
		"//":                  "/",
		"/a//b///c":           "/a/b/c",
		"/a//../b":            "/b",
		"/a/.":                "/a/",
		"/a/./b":              "/a/b",
		"/./":                 "/",
		"/a/..":               "/",
		"/a/b/../../":         "/",
		"/a/%2e":              "/a/",
		"/a/%2E%2e/b":         "/b",
		"/a%2f..%2fb":         "/b",
		"/a%2f%2fb":           "/a/b",
		"/a%5cb":              "/a\\b",
		"/a%23b%3fc":          "/a#b?c",
		"/%252e%252e/":        "/%2e%2e/",
		"/a/...":              "/a/...",
		"/a/..b":              "/a/..b",
		"/a/.b":               "/a/.b",
		"/a/..;/b":            "/a/..;/b",
		"/a%0ab":              "/a\nb",
		"/caf%C3%A9":          "/café",
		"/..%c0%af..%c0%afet": "/..\xc0\xaf..\xc0\xafet",
		"/a.":                 "/a.",
		"/a..":                "/a..",
	}
	for raw, want := range tests {
		got, err := AppendNormalPath([]byte("dst"), []byte(raw))
		if err != nil || string(got) != "dst"+want {
			t.Errorf("%s: %q, %v, want %q", raw, got, err, want)
		}
		if isNormal([]byte(raw)) && raw != want {
			t.Errorf("%s counts as normal, but is not", raw)
		}
	}
}

func TestNormalPathRefuses(t *testing.T) {
	tests := map[string]error{
		"":                     errTarget,
		"a":                    errTarget,
		"/..":                  errAboveRoot,
		"/../a":                errAboveRoot,
		"//../a":               errAboveRoot,
		"/a/../../b":           errAboveRoot,
		"/%2e%2e/%2e%2e/etc":   errAboveRoot,
		"/a/..%2f..%2f..%2fb/": errAboveRoot,
		"/%":                   errEscape,
		"/%1":                  errEscape,
		"/%u002f":              errEscape,
		"/% 1":                 errEscape,
		"/a%00b":               errNUL,
	}
	for raw, want := range tests {
		if got, err := AppendNormalPath([]byte("dst"), []byte(raw)); err != want || string(got) != "dst" {
			t.Errorf("%s: %q, %v, want %v", raw, got, err, want)
		}
	}
}

func TestEscapedPathDecodesToItself(t *testing.T) {
	path := []byte("/")
	for b := 1; b < 256; b++ {
		if b != '/' {
			path = append(path, byte(b))
		}
	}
	escaped := AppendEscapedPath(nil, path)
	for _, c := range escaped {
		if class[c]&isTarget == 0 {
			t.Errorf("byte %#x is not escaped", c)
		}
	}
	if back, err := AppendNormalPath(nil, escaped); err != nil || string(back) != string(path) {
		t.Errorf("%q, %v", back, err)
	}
}
