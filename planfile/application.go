package planfile

import (
	"os"
	"regexp"
)

// Application returns what a plan file says that it releases, "" where it does
// not say or cannot be read. It reads no more of the file than that: a way back
// asks, and a mistake elsewhere in the file must not stand in its way.
func Application(name string) string {
	data, err := os.ReadFile(name) //nolint:gosec // the user names the file
	if err != nil {
		return ""
	}
	m := regexp.MustCompile(`(?m)^application:[ \t]*["']?([A-Za-z0-9][A-Za-z0-9_-]*)`).FindSubmatch(data)
	if m == nil {
		return ""
	}
	return string(m[1])
}
