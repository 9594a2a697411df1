package app

import (
	"regexp"
	"slices"

	"github.com/ripcord-dev/ripcord"
)

// How sure a cause is, by what it was read from. The numbers order the ways of
// finding it out; docs/commands.md explains each.
const (
	saidSo      = .9 // what failed, or who stopped it, said why
	quotedError = .8 // a line of its output reads like an error
	badAnswer   = .6 // the answer is a symptom, not its cause
	quoted      = .5 // it printed something, but nothing that reads like an error
	killed      = .4 // a signal ended it: by whom, and why, is not known
	tooLate     = .4 // it took too long: what it waited for is not known
	exitOnly    = .3 // nothing but the exit status
	notProved   = .2 // nobody saw how it ended
)

// confidence says how sure it is that the failure's summary names its cause.
func confidence(f *ripcord.Failure) float64 {
	switch f.Class {
	case ripcord.FailedTimeout:
		return tooLate
	case ripcord.FailedUnproved:
		return notProved
	case ripcord.FailedTarget, ripcord.FailedCancelled, ripcord.FailedDependency:
		return saidSo
	case ripcord.FailedCommand, ripcord.FailedHealth, ripcord.FailedCheck, ripcord.FailedAnalysis, ripcord.FailedInternal:
	}
	switch {
	case readsLikeError(f.Lines):
		return quotedError
	case f.Exit != nil && f.Exit.Signal != "":
		return killed
	case f.Class == ripcord.FailedHealth:
		return badAnswer
	case len(f.Lines) > 0, f.Class != ripcord.FailedCommand:
		return quoted
	}
	return exitOnly
}

// readsLikeError reports whether a line says itself that something went wrong.
func readsLikeError(lines []string) bool {
	words := regexp.MustCompile(`(?i)\b(error|fatal|panic|exception|traceback|failed|failure|denied|refused|cannot|can't|could not|unable|no such|not found|not permitted|no space|out of memory|missing|invalid|undefined|unknown|timed? ?out)\b|Error\b`)
	return slices.ContainsFunc(lines, words.MatchString)
}
