package config

import (
	"reflect"
	"testing"

	"paddock/proxy"
)

func TestUnknownKeyNamesWhatWasProbablyMeant(t *testing.T) {
	for _, c := range []struct {
		key  string
		in   reflect.Type
		want string
	}{
		{"servername", reflect.TypeFor[proxy.Server](), "unknown key; did you mean server_name?"},
		{"Server-Name", reflect.TypeFor[proxy.Server](), "unknown key; did you mean server_name?"},
		{"comand", reflect.TypeFor[App](), "unknown key; did you mean command?"},
		{"log_fromat", reflect.TypeFor[Config](), "unknown key; did you mean log_format?"},
		{"proxy_pass", reflect.TypeFor[proxy.Server](), "unknown key here; it is a key of [[server.location]]"},
		{"best_conn", reflect.TypeFor[Log](), "unknown key; known here are format, level, path"},
		{"x", reflect.TypeFor[Log](), "unknown key; known here are format, level, path"},
	} {
		if got := unknownKey(c.key, c.in); got != c.want {
			t.Errorf("%s in %s: got %q, want %q", c.key, c.in, got, c.want)
		}
	}
}

func TestDistanceCountsChangedLetters(t *testing.T) {
	for _, c := range []struct {
		a, b string
		want int
	}{
		{"", "", 0}, {"", "abc", 3}, {"abc", "abc", 0}, {"abc", "abd", 1}, {"abc", "bc", 1}, {"kitten", "sitting", 3}, {"ab", "ba", 2},
	} {
		if got := distance(c.a, c.b); got != c.want {
			t.Errorf("distance(%q, %q) = %d, want %d", c.a, c.b, got, c.want)
		}
	}
}
