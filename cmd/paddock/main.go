// Paddock takes the place of nginx, Supervisor, certbot and logrotate for Python
// web apps: one binary, one TOML file.
package main

import (
	"os"

	"paddock/supervisor"
)

func main() {
	// What becomes an app's process must start fast and needs nothing else.
	if len(os.Args) > 1 && os.Args[1] == "exec" {
		os.Exit(supervisor.ExecMain(os.Args[2:]))
	}
	os.Exit(execute(os.Args[1:], os.Stdout, os.Stderr))
}
