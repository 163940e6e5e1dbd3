package value

import (
	"errors"
	"fmt"
	"strings"
)

// Command is a command line, split into words as a POSIX shell would split it
// and as Supervisor does (Python's shlex.split), with no expansion of any kind:
// quotes and backslashes group, `#` is an ordinary character.
type Command struct {
	Text string   // as written
	Args []string // the words; empty when no command was set
}

// Set reports whether a command was given.
func (c Command) Set() bool { return len(c.Args) > 0 }

// String returns the command as it was written.
func (c Command) String() string { return c.Text }

// MarshalText implements encoding.TextMarshaler.
func (c Command) MarshalText() ([]byte, error) { return []byte(c.Text), nil }

// UnmarshalText implements encoding.TextUnmarshaler. An empty text is no command.
func (c *Command) UnmarshalText(text []byte) error {
	args, err := SplitCommand(string(text))
	if err != nil {
		return err
	}
	*c = Command{Text: string(text), Args: args}
	return nil
}

// UnmarshalTOML takes a string.
func (c *Command) UnmarshalTOML(v any) error {
	s, ok := v.(string)
	if !ok {
		return fmt.Errorf("expected a command line in quotes, got %s", TypeName(v))
	}
	if err := c.UnmarshalText([]byte(s)); err != nil {
		return err
	}
	if !c.Set() {
		return errors.New("the command is empty; expected a program and its arguments")
	}
	return nil
}

// SplitCommand splits a command line into words. It fails on a quote that is not
// closed, a backslash at the end, and a NUL byte.
func SplitCommand(s string) ([]string, error) {
	var (
		words  []string
		word   strings.Builder
		inWord bool
		quote  byte
	)
	if strings.IndexByte(s, 0) >= 0 {
		return nil, errors.New("the command holds a NUL byte")
	}
	for i := 0; i < len(s); i++ {
		c := s[i]
		switch {
		case quote == '\'' && c != '\'':
			word.WriteByte(c)
		case c == '\\':
			i++
			if i == len(s) {
				return nil, errors.New("the command ends in a backslash; expected a character after it")
			}
			if quote == '"' && s[i] != '"' && s[i] != '\\' {
				word.WriteByte('\\')
			}
			word.WriteByte(s[i])
			inWord = true
		case quote != 0 && c == quote:
			quote = 0
		case quote != 0:
			word.WriteByte(c)
		case c == '\'' || c == '"':
			quote, inWord = c, true
		case c == ' ' || c == '\t' || c == '\n' || c == '\r':
			if inWord {
				words = append(words, word.String())
				word.Reset()
				inWord = false
			}
		default:
			word.WriteByte(c)
			inWord = true
		}
	}
	if quote != 0 {
		return nil, fmt.Errorf("the command has a %c quote that is not closed", quote)
	}
	if inWord {
		words = append(words, word.String())
	}
	return words, nil
}
