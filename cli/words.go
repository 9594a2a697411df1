package cli

import (
	"fmt"
	"strings"
	"time"

	"github.com/ripcord-dev/ripcord"
)

// count is a number of things in words.
func count(n int, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return fmt.Sprintf("%d %ss", n, thing)
}

// spell writes how long something lasts: "5m" rather than "5m0s", and what
// takes less than a second in milliseconds.
func spell(d time.Duration) string {
	unit := 100 * time.Millisecond
	if d < time.Second {
		unit = time.Millisecond
	}
	text := d.Round(unit).String()
	if strings.HasSuffix(text, "m0s") {
		text = strings.TrimSuffix(text, "0s")
	}
	if strings.HasSuffix(text, "h0m") {
		text = strings.TrimSuffix(text, "0m")
	}
	return text
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

// joined lists steps.
func joined(ids []ripcord.StepID, between string) string {
	texts := make([]string, 0, len(ids))
	for _, id := range ids {
		texts = append(texts, string(id))
	}
	return strings.Join(texts, between)
}
