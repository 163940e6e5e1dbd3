package tls

import (
	"net/mail"

	"paddock/internal/value"
)

// Config is [tls]: where certificates of tls = "auto" come from.
type Config struct {
	Email string `toml:"email"` // who an authority may write to about the account; default none
}

// Validate reports what is wrong with the section at key.
func (c *Config) Validate(key string, problems *value.Problems) {
	if _, err := mail.ParseAddress(c.Email); c.Email != "" && err != nil {
		problems.Addf(value.Join(key, "email"), "%q: expected an address such as ops@example.com", c.Email)
	}
}
