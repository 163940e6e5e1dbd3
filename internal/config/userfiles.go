package config

import "paddock/internal/value"

// maxUserFile bounds a file of users and their passwords.
const maxUserFile = 1 << 20

// readUserFiles reads what auth_basic_user_file names.
func (l *loader) readUserFiles(problems *value.Problems) {
	l.config.userFiles = map[string]string{}
	read := func(at, path string) {
		if _, done := l.config.userFiles[path]; done || path == "" {
			return
		}
		data, err := l.host.read(path, maxUserFile)
		if err != nil {
			problems.Addf(value.Join(at, "auth_basic_user_file"), "%s; expected a file as htpasswd writes it", oneLine(err.Error()))
			return
		}
		l.fingerprint(path, string(data))
		l.config.userFiles[path] = string(data)
	}
	for i := range l.config.Servers {
		at := value.Index("server", i)
		read(at, l.config.Servers[i].AuthBasicUserFile)
		for j := range l.config.Servers[i].Location {
			read(value.Index(value.Join(at, "location"), j), l.config.Servers[i].Location[j].AuthBasicUserFile)
		}
	}
}
