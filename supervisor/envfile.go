package supervisor

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
)

// maxEnvFile bounds an env_file, in bytes.
const maxEnvFile = 1 << 20

// readEnvFile reads KEY=VALUE lines. Errors name file and line.
func readEnvFile(path string) (map[string]string, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("read env_file: %w", err)
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxEnvFile+1))
	if err != nil {
		return nil, fmt.Errorf("read env_file: %w", err)
	}
	if len(text) > maxEnvFile {
		return nil, fmt.Errorf("read env_file %s: it is larger than %d bytes", path, maxEnvFile)
	}
	return parseEnvFile(path, string(text))
}

// parseEnvFile takes one variable a line: KEY=VALUE, with an optional "export "
// before it. Empty lines and lines that begin with # are skipped. A value is
//
//	bare      to the end of the line or to " #"; spaces around it do not count
//	'single'  as it stands
//	"double"  with \n, \t, \", \\ and \$ for newline, tab, quote, backslash, dollar
//
// Nothing is expanded. A quoted value ends on its line.
func parseEnvFile(path, text string) (map[string]string, error) {
	env := make(map[string]string)
	for i, line := range strings.Split(text, "\n") {
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' {
			continue
		}
		if rest, ok := strings.CutPrefix(line, "export "); ok {
			line = strings.TrimSpace(rest)
		}
		name, rest, ok := strings.Cut(line, "=")
		name = strings.TrimSpace(name)
		if !ok || !variableName(name) {
			return nil, fmt.Errorf("%s:%d: expected KEY=VALUE, with a key of letters, digits and _", path, i+1)
		}
		val, err := envValue(strings.TrimSpace(rest))
		if err != nil {
			return nil, fmt.Errorf("%s:%d: %s: %w", path, i+1, name, err)
		}
		env[name] = val
	}
	return env, nil
}

func variableName(s string) bool {
	const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_"
	return s != "" && strings.Trim(s, letters+"0123456789") == "" && strings.IndexByte(letters, s[0]) >= 0
}

func envValue(s string) (string, error) {
	if strings.IndexByte(s, 0) >= 0 {
		return "", errors.New("the value holds a NUL byte")
	}
	if s == "" || s[0] == '#' {
		return "", nil
	}
	if s[0] != '\'' && s[0] != '"' {
		for _, comment := range []string{" #", "\t#"} {
			s, _, _ = strings.Cut(s, comment)
		}
		return strings.TrimSpace(s), nil
	}
	return quotedValue(s)
}

var envEscapes = map[byte]byte{'n': '\n', 't': '\t', '"': '"', '\\': '\\', '$': '$'}

func quotedValue(s string) (string, error) {
	var out strings.Builder
	quote := s[0]
	for i := 1; i < len(s); i++ {
		switch {
		case s[i] == quote:
			rest := strings.TrimSpace(s[i+1:])
			if rest != "" && rest[0] != '#' {
				return "", fmt.Errorf("%q after the closing quote; expected the end of the line or a comment", rest)
			}
			return out.String(), nil
		case s[i] == '\\' && quote == '"' && i+1 < len(s):
			i++
			c, ok := envEscapes[s[i]]
			if !ok {
				out.WriteByte('\\')
				c = s[i]
			}
			out.WriteByte(c)
		default:
			out.WriteByte(s[i])
		}
	}
	return "", fmt.Errorf("the %c quote is not closed on its line", quote)
}
