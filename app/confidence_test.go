package app

import (
	"testing"

	"github.com/ripcord-dev/ripcord"
)

func TestConfidence(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		f    ripcord.Failure
		want float64
	}{
		{"exit status only", ripcord.Failure{Class: ripcord.FailedCommand, Exit: &ripcord.Exit{Code: 3}}, .3},
		{"said something", ripcord.Failure{Class: ripcord.FailedCommand, Lines: []string{"copying 3 of 5"}}, .5},
		{"said an error", ripcord.Failure{Class: ripcord.FailedCommand, Lines: []string{"copying", "cp: no such file"}}, .8},
		{"python", ripcord.Failure{Class: ripcord.FailedHealth, Lines: []string{"ModuleNotFoundError: x"}}, .8},
		{"no word inside of words", ripcord.Failure{Class: ripcord.FailedCommand, Lines: []string{"terrors"}}, .5},
		{"killed", ripcord.Failure{Class: ripcord.FailedCommand, Exit: &ripcord.Exit{Signal: "killed"}, Lines: []string{"working"}}, .4},
		{"too late", ripcord.Failure{Class: ripcord.FailedTimeout, Lines: []string{"error"}}, .4},
		{"a bad answer", ripcord.Failure{Class: ripcord.FailedHealth, Lines: []string{"the cache is gone"}}, .6},
		{"not proved", ripcord.Failure{Class: ripcord.FailedUnproved}, .2},
		{"refused", ripcord.Failure{Class: ripcord.FailedTarget}, .9},
		{"a check that cannot tell", ripcord.Failure{Class: ripcord.FailedCheck}, .5},
	}
	for _, test := range tests {
		if got := cause(&test.f).Confidence; got != test.want {
			t.Errorf("%s: %v, want %v", test.name, got, test.want)
		}
	}
}
