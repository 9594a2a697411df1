// Package shim holds the shell program that runs commands on another machine so that they,
// and how they ended, are found again. What it keeps there, and what it is told,
// is for the package remote to say; the SSH adapter carries it along.
package shim

import (
	_ "embed"
	"strings"
)

//go:embed shim.sh
var text string

// Program is the text, without what is for its readers only: a shell reads what it gets
// from a connection byte by byte.
func Program() string {
	var b strings.Builder
	for line := range strings.Lines(text) {
		if line = strings.TrimLeft(line, " "); line != "\n" && !strings.HasPrefix(line, "#") {
			b.WriteString(line)
		}
	}
	return b.String()
}
