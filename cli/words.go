package cli

import (
	"fmt"
	"strings"
	"time"
)

// count is a number of things in words.
func count(n int, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return fmt.Sprintf("%d %ss", n, thing)
}

func clock(t time.Time) string { return t.UTC().Format("15:04:05Z") }

func words(state string) string { return strings.ReplaceAll(state, "_", " ") }

// stamp is a moment as lists show it.
func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }

func countOf(n uint64, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return fmt.Sprintf("%d %ss", n, thing)
}

func countEntries(n uint64) string {
	if n == 1 {
		return "1 entry"
	}
	return fmt.Sprintf("%d entries", n)
}
