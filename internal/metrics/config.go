package metrics

import (
	"fmt"
	"strconv"
	"strings"

	"paddock/internal/value"
)

// Config is [metrics].
type Config struct {
	Listen Listen `toml:"listen"` // where /metrics and /stub_status are served; a bare port is 127.0.0.1; default: off
}

// Listen is where metrics are served: a listen address as a server's, but that a
// bare port is 127.0.0.1, because the figures are nobody else's business. The zero
// value is "nowhere".
type Listen struct{ value.Listen }

// On reports whether there is an address.
func (l Listen) On() bool { return l.Text != "" }

// UnmarshalTOML takes a string or a port number.
func (l *Listen) UnmarshalTOML(v any) error {
	const want = `an address such as "9090", "127.0.0.1:9090" or "unix:/path"`
	text, ok := v.(string)
	if n, isPort := v.(int64); isPort {
		text, ok = strconv.FormatInt(n, 10), true
	}
	if !ok {
		return fmt.Errorf("expected %s, got %s", want, value.TypeName(v))
	}
	if words := strings.Fields(text); len(words) > 0 && strings.Trim(words[0], "0123456789") == "" {
		text = "127.0.0.1:" + strings.Join(words, " ")
	}
	var out Listen
	if err := out.UnmarshalText([]byte(text)); err != nil {
		return err
	}
	if out.SSL || out.DefaultServer {
		return fmt.Errorf("default_server and ssl are for the addresses of a [[server]]; expected %s", want)
	}
	*l = out
	return nil
}

// Public reports whether more than this machine can reach the address.
func (l Listen) Public() bool { return l.On() && l.Unix == "" && !l.Addr.Addr().IsLoopback() }

// Validate reports an address that a server has too.
func (c *Config) Validate(key string, servers []value.Listen, problems *value.Problems) {
	for _, s := range servers {
		if c.Listen.On() && s.Key() == c.Listen.Key() {
			problems.Addf(value.Join(key, "listen"), "%q is the address of a [[server]] too; expected another", s.Key())
			return
		}
	}
}
