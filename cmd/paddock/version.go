package main

import (
	"cmp"
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"
)

// version is set by the linker.
var version string

// buildVersion is the version, or else the commit that the binary was built from.
func buildVersion() string {
	if revision := setting("vcs.revision"); version == "" && revision != "" {
		return revision[:min(len(revision), 12)]
	}
	return cmp.Or(version, "unknown")
}

// setting is one of the settings of the build (go version -m).
func setting(key string) string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return ""
	}
	for _, s := range info.Settings {
		if s.Key == key {
			return s.Value
		}
	}
	return ""
}

func (p *program) version() *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Print the version and how it was built",
		Args:  arguments(noArguments),
		RunE: func(*cobra.Command, []string) error {
			fmt.Fprintf(p.stdout, "paddock %s (%s %s/%s)\n", buildVersion(), runtime.Version(), runtime.GOOS, runtime.GOARCH)
			for _, line := range [][2]string{{"commit", "vcs.revision"}, {"committed", "vcs.time"}, {"modified", "vcs.modified"}} {
				if v := setting(line[1]); v != "" {
					fmt.Fprintf(p.stdout, "  %-10s %s\n", line[0], v)
				}
			}
			return nil
		},
	}
}
