package config

import "testing"

// What tls says of the rest of its server: a key that is set wins.
func TestManagedCertificatesImplyHTTP2(t *testing.T) {
	for text, want := range map[string]bool{
		"listen = \"443\"\nserver_name = \"a.test\"\ntls = \"auto\"":                           true,
		"listen = \"443\"\nserver_name = \"a.test\"\ntls = \"internal\"":                       true,
		"listen = \"443\"\nserver_name = \"a.test\"\ntls = \"internal\"\nhttp2 = false":        false,
		"listen = \"8080\"\nserver_name = \"a.test\"":                                          false,
		"listen = \"8080\"\nserver_name = \"a.test\"\nhttp2 = true":                            true,
		"listen = \"8443\"\nserver_name = \"a.test\"\nssl_reject_handshake = true":             false,
		"listen = \"8080 http2\"\nserver_name = \"a.test\"\nhttp2_body_preread_size = 1048576": false, // the address alone
	} {
		c, problems := loadFiles(t, fakeHost(t, 0), map[string]string{"main.toml": "[[server]]\nreturn = \"204\"\n" + text + "\n"})
		if len(problems) > 0 {
			t.Errorf("%q: %q", text, problems)
			continue
		}
		if s := c.Servers[0]; (s.HTTP2 != nil && *s.HTTP2) != want {
			t.Errorf("%q: http2 is %v", text, s.HTTP2)
		}
	}
}
