package proxy

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/tg123/go-htpasswd"
	"go.uber.org/zap"

	"paddock/internal/value"
	"paddock/proxy/http1"
)

// authRules are the compiled auth_basic of a place, after inheritance.
type authRules struct {
	on    bool
	realm string // with quotes
	path  string
	users *users
}

// users are those of one file.
type users struct {
	text string
	file *htpasswd.File
	*passwords
}

// maxPassword is crypt(3)'s CRYPT_MAX_PASSPHRASE_SIZE. SHA-crypt's time grows with the
// square of the length: 24 KB, which fit a field, are seconds (CVE-2016-20013).
const maxPassword = 512

// passwordForms are those that nginx knows, too: crypt(3)'s and {SHA}, {SSHA}, {PLAIN}.
// A text without any form is none: nginx would take it for the outcome of crypt(3).
var passwordForms = []htpasswd.PasswdParser{
	htpasswd.AcceptBcrypt, htpasswd.AcceptMd5, acceptCryptSHA, htpasswd.AcceptSha, htpasswd.AcceptSsha, acceptPlain,
}

// acceptCryptSHA takes "$6$[rounds=N$]SALT$HASH" and no other: the hash of a password
// would panic.
func acceptCryptSHA(text string) (htpasswd.EncodedPasswd, error) {
	parts := strings.Split(text, "$")
	if len(parts) < 3 || parts[1] != "5" && parts[1] != "6" {
		return htpasswd.AcceptCryptSha(text)
	}
	rest := parts[2:]
	if rounds, found := strings.CutPrefix(rest[0], "rounds="); found {
		if _, err := strconv.ParseUint(rounds, 10, 31); err != nil {
			return nil, errors.New("malformed rounds of SHA-crypt")
		}
		rest = rest[1:]
	}
	if len(rest) != 2 || rest[0] == "" {
		return nil, errors.New("malformed SHA-crypt")
	}
	return htpasswd.AcceptCryptSha(text)
}

func acceptPlain(text string) (htpasswd.EncodedPasswd, error) {
	plain, ok := strings.CutPrefix(text, "{PLAIN}")
	if !ok {
		return nil, nil
	}
	return htpasswd.AcceptPlain(plain)
}

// newUsers reads a file of "NAME:HASH[:comment]" lines. Of several lines of a name the
// first counts, as in nginx. No error holds what may be a password or its hash.
func newUsers(text string) (*users, error) {
	var lines strings.Builder
	var bad []error
	named := map[string]bool{}
	number := 0
	for line := range strings.Lines(text) {
		number++
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' {
			continue
		}
		parts := strings.SplitN(line, ":", 3)
		switch {
		case len(parts) < 2 || parts[0] == "":
			bad = append(bad, fmt.Errorf("line %d: expected NAME:HASH", number))
		case !hasForm(parts[1]):
			bad = append(bad, fmt.Errorf("line %d: the password of %q has no known form; expected bcrypt, apr1, SHA-crypt, {SHA}, {SSHA} or {PLAIN}, as of htpasswd -B", number, parts[0]))
		case !named[parts[0]]:
			named[parts[0]] = true
			fmt.Fprintf(&lines, "%s:%s\n", parts[0], parts[1])
		}
	}
	u := &users{text: text, passwords: newPasswords(newHashing())}
	var err error
	u.file, err = htpasswd.NewFromReader(strings.NewReader(lines.String()), passwordForms, nil)
	return u, errors.Join(append(bad, err)...)
}

// hasForm reports whether a text is of one of passwordForms.
func hasForm(hash string) bool {
	for _, accept := range passwordForms {
		if m, err := accept(hash); m != nil || err != nil {
			return err == nil
		}
	}
	return false
}

// match reports whether the password is the user's. It fails when the password is not
// looked at: too many are already, or the client has gone.
func (u *users) match(user, password string, gone func() bool) (bool, error) {
	if len(password) > maxPassword {
		return false, nil
	}
	sum := sha256.Sum256([]byte(user + "\x00" + password))
	if known, err := u.enter(sum, gone); known || err != nil {
		return known, err
	}
	return u.hash(sum, user, password), nil
}

// hash is match without memory, in the place that enter has got.
func (u *users) hash(sum passwordSum, user, password string) bool {
	defer u.exit() // also when it panics: others wait for the place
	right := u.file.Match(user, password)
	if right {
		u.learn(sum)
	}
	return right
}

// auth resolves what a place sets over what it inherits.
func (c *compiler) auth(key string, own *Settings, a authRules) authRules {
	switch {
	case own.AuthBasic == "off":
		a.on = false
	case own.AuthBasic != "":
		a.on, a.realm = true, `"`+strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(own.AuthBasic)+`"`
		if !http1.IsValue(own.AuthBasic) {
			c.problems.Addf(value.Join(key, "auth_basic"), "%q holds a control character", own.AuthBasic)
		}
	}
	if path := own.AuthBasicUserFile; path != "" {
		a.path, a.users = path, nil
		text, ok := c.cfg.UserFiles[path]
		if !ok {
			return a // that it cannot be read is said where it was tried
		}
		var err error
		if a.users, err = c.users(path, text); err != nil {
			c.problems.Addf(value.Join(key, "auth_basic_user_file"), "%s: %v", path, err)
		}
	}
	if a.on && a.path == "" {
		c.problems.Addf(value.Join(key, "auth_basic"), "no auth_basic_user_file; expected one, as nobody could get in")
	}
	return a
}

// users reads a file once for all places that name it.
func (c *compiler) users(path, text string) (*users, error) {
	if c.out.users == nil {
		c.out.users = map[string]*users{}
	}
	if u := c.out.users[path]; u != nil {
		return u, nil
	}
	u, err := newUsers(text)
	c.out.users[path] = u
	return u, err
}

// authenticate lets only users with their password in (nginx: auth_basic). It runs
// where it may wait.
func (x *exchange) authenticate() error {
	a := &x.place.auth
	if !a.on {
		return nil
	}
	field, _ := x.req.Get("authorization")
	user, password, ok := basicCredentials(field)
	if ok && a.users != nil {
		right, err := a.users.match(user, password, x.leaves)
		if err != nil && err != errClientGone {
			x.conn.proxy.logger.Warn("a password was not checked", append(x.clientFields(), zap.Error(errors.Unwrap(err)))...)
		}
		if right || err != nil {
			return err
		}
		text := "password mismatch"
		if !a.users.file.Exists(user) {
			text = fmt.Sprintf("was not found in %q", a.path)
			x.conn.proxy.logger.Error(fmt.Sprintf("user %q %s", loggable(user), text), x.clientFields()...)
		} else {
			x.conn.proxy.logger.Error(fmt.Sprintf("user %q: %s", loggable(user), text), x.clientFields()...)
		}
	}
	x.detour.kept = http1.AppendField(x.detour.kept, "WWW-Authenticate", "Basic realm="+a.realm)
	return errUnauthorized
}

// leaves reports whether the client has gone, to one who waits before any app is asked.
func (x *exchange) leaves() bool {
	x.conn.watch()
	return x.conn.gone.Load()
}

var errUnauthorized = &refusal{status: 401}

// basicCredentials reads an Authorization field (RFC 7617).
func basicCredentials(field []byte) (user, password string, ok bool) {
	const scheme = "basic "
	if len(field) < len(scheme) || !isField(field[:len(scheme)], scheme) {
		return "", "", false
	}
	encoded := strings.TrimRight(string(bytes.TrimSpace(field[len(scheme):])), "=")
	plain, err := base64.RawStdEncoding.DecodeString(encoded)
	if err != nil {
		return "", "", false
	}
	user, password, ok = strings.Cut(string(plain), ":")
	return user, password, ok && user != ""
}

// loggable is a name without what could end its quotes or its line: whoever asks
// chooses it, and fail2ban reads the line.
func loggable(name string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == '"' || r == '\\' || r == 0x7f {
			return '?'
		}
		return r
	}, strings.ToValidUTF8(name, "?"))
}
