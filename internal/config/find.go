package config

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
)

// searchPath is where a configuration file is looked for when -c names none.
var searchPath = []string{"./paddock.toml", "/etc/paddock/paddock.toml"}

// Find returns the file to load: flag, the value of -c, or else the first of
// ./paddock.toml and /etc/paddock/paddock.toml that exists. It is an error when
// none does; whether a file can be read is for [Load] to say.
func Find(flag string) (string, error) { return find(flag, searchPath) }

func find(flag string, candidates []string) (string, error) {
	if flag != "" {
		return flag, nil
	}
	for _, name := range candidates {
		if _, err := os.Stat(name); !errors.Is(err, fs.ErrNotExist) {
			return name, nil
		}
	}
	return "", fmt.Errorf("no configuration file: neither %s nor %s exists; name one with -c FILE", candidates[0], candidates[1])
}
