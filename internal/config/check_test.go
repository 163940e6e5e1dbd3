package config

import (
	"slices"
	"strings"
	"testing"
)

func TestWhatTheStartWouldFailOnIsReported(t *testing.T) {
	server := func(listen string) string {
		return "[[server]]\nlisten = " + listen + "\nreturn = \"200\"\n"
	}
	for name, c := range map[string]struct {
		text string
		want []string
	}{
		"access logs without a folder": {
			smallest + "access_log = '/nope/a.log'\n[[server.location]]\npath = '/a'\nreturn = '200'\naccess_log = { path = 'nope/b.log', format = 'combined' }\n",
			[]string{
				"main.toml:7: server[0].access_log: the folder /nope does not exist; expected an existing one",
				"main.toml:11: server[0].location[0].access_log: the folder nope does not exist; expected an existing one",
			},
		},
		"the daemon's log without a folder": {
			smallest + "[log]\npath = '/nope/x.log'\n",
			[]string{"main.toml:8: log.path: the folder /nope does not exist; expected an existing one"},
		},
		"logs that need no folder yet": {
			smallest + "access_log = '/opt/new/a.log'\n[log]\npath = 'stderr'\n[paddock]\nlog_dir = '/opt/new'\n", nil,
		},
		"a run_dir too long for its sockets": {
			smallest + "[paddock]\nrun_dir = '/run/" + strings.Repeat("x", 90) + "'\n",
			[]string{"main.toml:8: paddock.run_dir: 95 bytes are too many: with the control socket's name the path of a unix socket would have 108; expected at most 107 in all"},
		},
		"one port, an address and all of them": {
			server(`["80", "127.0.0.1:80"]`) + server(`"127.0.0.2:80"`) + server(`"80 default_server"`),
			[]string{
				`main.toml:2: server[0].listen[1]: 127.0.0.1:80 is a part of 0.0.0.0:80, which is listened on too; expected one of the two`,
				`main.toml:5: server[1].listen: 127.0.0.2:80 is a part of 0.0.0.0:80, which is listened on too; expected one of the two`,
			},
		},
		"one port, both families and one": {
			server(`[":80", "80"]`) + server(`"[::]:80"`) + server(`"[::1]:80"`),
			[]string{
				`main.toml:2: server[0].listen[1]: 0.0.0.0:80 is a part of :80, which is listened on too; expected one of the two`,
				`main.toml:5: server[1].listen: [::]:80 is a part of :80, which is listened on too; expected one of the two`,
				`main.toml:8: server[2].listen: [::1]:80 is a part of :80, which is listened on too; expected one of the two`,
			},
		},
		"addresses that do not touch": {
			server(`["80", "[::]:80", ":81", "127.0.0.1:82", "127.0.0.2:82", "[::1]:82", "unix:a.sock"]`), nil,
		},
	} {
		t.Run(name, func(t *testing.T) {
			_, problems := loadFiles(t, fakeHost(t, 1000), map[string]string{"main.toml": c.text})
			if !slices.Equal(problems, c.want) {
				t.Errorf("got\n%s\nwant\n%s", strings.Join(problems, "\n"), strings.Join(c.want, "\n"))
			}
		})
	}
}
