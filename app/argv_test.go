package app

import (
	"testing"

	"github.com/ripcord-dev/ripcord"
)

func TestWarnOfArguments(t *testing.T) {
	t.Parallel()
	for settings, want := range map[string]int{
		`{"command":["sh","-c","curl -H ${secret:TOKEN}"]}`:                   1,
		`{"command":["./x"],"undo":["./y","${secret:TOKEN}"]}`:                1,
		`{"command":["./x"],"environment":{"TOKEN":"${secret:TOKEN}"}}`:       0,
		`{"command":"of another shape","check":{"http":"${secret:ADDRESS}"}}`: 0,
	} {
		plan := &ripcord.Plan{Steps: []ripcord.StepSpec{{ID: "a", Settings: []byte(settings)}}}
		if got := warnOfArguments(plan); len(got) != want {
			t.Errorf("%s: %q, want %d", settings, got, want)
		}
	}
}
