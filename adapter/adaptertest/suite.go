package adaptertest

import (
	"encoding/json"
	"fmt"
	"testing"

	"github.com/ripcord-dev/ripcord"
)

// Config says what Run tests.
type Config struct {
	// New makes a fresh world and everything to act on it.
	New func(t *testing.T) Fixture
	// Without names the parts that do not apply and says why. The step's Traits
	// must agree: leaving out a part that applies fails, and so does silence
	// about one that does not.
	Without map[Part]string
	// Turns are for systems that take their time. Their zero is both.
	Turns Turns
}

// Turns says what follows when an Apply was interrupted.
type Turns int

// What follows an interruption.
const (
	// Both: an Undo in one world, another Apply in the next.
	Both Turns = iota
	// UndoFirst: one of them, in turn, beginning with Undo.
	UndoFirst
	// ApplyFirst: the other one of what UndoFirst takes.
	ApplyFirst
)

// Fixture is one world and a step on it. In the world as it is made, the step's
// effect is absent.
type Fixture struct {
	Adapter ripcord.Adapter
	Spec    ripcord.StepSpec
	Scope   ripcord.Scope
	// Fingerprint describes the whole world that the step may touch, without
	// what may differ between equal worlds (pids, ports, times).
	Fingerprint func(t *testing.T) string
	// References names the settings whose text may be ${steps.X.outputs.Y}.
	References []string
	// Secrets are values that the settings refer to and that may show nowhere.
	Secrets []string
	// Breaks are ways in which this system makes an Apply fail.
	Breaks []Break
}

// Break is one way to make an Apply fail.
type Break struct {
	Name string
	// Break makes the next Apply fail; Mend makes the system whole again.
	Break, Mend func(t *testing.T)
	// Spec is the step while its system is broken, where it would wait for long
	// that this ends; nil is the fixture's own.
	Spec *ripcord.StepSpec
}

// Part is a part of the suite that does not apply to every step.
type Part = string

// The parts that a step's Traits can exclude.
const (
	// PartCheck: Check tells whether the effect is there.
	PartCheck Part = "check"
	// PartAgain: Apply may be repeated.
	PartAgain Part = "again"
	// PartUndo: there is a way back.
	PartUndo Part = "undo"
	// PartUndoAgain: Undo may be repeated, also when Apply never ran or stopped
	// in its middle.
	PartUndoAgain Part = "undo-again"
	// PartChange: Apply changes the world.
	PartChange Part = "change"
)

func parts() []Part {
	return []Part{PartCheck, PartAgain, PartUndo, PartUndoAgain, PartChange}
}

// applies says whether the traits promise a part.
func applies(p Part, traits ripcord.Traits) bool {
	way := traits.Reversal.Way
	switch p {
	case PartCheck:
		return traits.Checkable
	case PartAgain:
		return traits.Checkable || traits.Idempotent
	case PartUndo:
		return way == ripcord.WayExact || way == ripcord.WayRestorable || way == ripcord.WayUnverified
	case PartUndoAgain:
		return applies(PartUndo, traits) && traits.UndoIdempotent
	case PartChange:
		return way != ripcord.WayNothing
	}
	return true
}

// Run runs the whole suite. Each test makes its own world, but for those that change
// nothing, and opens the step anew for every call, as a new process would.
func Run(t *testing.T, config Config) {
	t.Helper()
	traits := traitsOf(t, config)
	for _, part := range parts() {
		reason, without := config.Without[part]
		switch {
		case without && reason == "":
			t.Errorf("part %q is left out without a reason", part)
		case without && applies(part, traits):
			t.Errorf("part %q is left out, but the traits promise it", part)
		case !without && !applies(part, traits):
			t.Errorf("part %q does not apply by the traits, but no reason is given", part)
		}
	}
	suite{config: config, traits: traits}.run(t)
}

// suite is one run of all tests.
type suite struct {
	config Config
	traits ripcord.Traits
}

func (s suite) run(t *testing.T) {
	t.Helper()
	s.together(t, "before apply", []trial{
		{"open/unknown setting", nil, openUnknown},
		{"open/wrong types", nil, openTypes},
		{"open/garbage", nil, openGarbage},
		{"open/touches nothing", nil, openTouches},
		{"open/references", nil, openReferences},
		{"traits", nil, traitsSane},
		{"check/reads only", nil, checkReads},
		{"check/stable", []Part{PartCheck}, checkStable},
		{"check/absent", []Part{PartCheck}, checkAbsent},
		{"explain", nil, explainReads},
	})
	s.together(t, "after apply", []trial{
		{"apply", nil, applyOnce},
		{"apply/changes nothing", nil, applyNothing},
		{"check/reads only", nil, checkReads},
		{"check/stable", []Part{PartCheck}, checkStable},
		{"outputs", nil, outputsStable},
		{"evidence", nil, evidenceReads},
	})
	for _, test := range []trial{
		{"apply/twice", []Part{PartAgain}, applyTwice},
		{"undo", []Part{PartUndo}, undoAfter},
		{"undo/without apply", []Part{PartUndoAgain}, undoWithout},
		{"undo/twice", []Part{PartUndoAgain}, undoTwice},
		{"undo/apply again", []Part{PartUndo, PartAgain}, undoApply},
		{"prepare", nil, prepareTwice},
		{"prepare/undo", []Part{PartUndo}, prepareUndo},
		{"finish", nil, finishTwice},
		{"secrets", nil, secretsHidden},
		{"cancelled before", nil, cancelledBefore},
	} {
		if s.has(test.needs...) {
			t.Run(test.name, func(t *testing.T) { test.test(t, s.world(t)) })
		}
	}
	s.breaks(t)
	s.interruptions(t)
}

// trial is one test of the suite; it needs parts that the step's traits promise.
type trial struct {
	name  string
	needs []Part
	test  func(t *testing.T, w *world)
}

// together runs tests that leave a world as they find it, all in the same one: some
// systems take their time to be made.
func (s suite) together(t *testing.T, name string, tests []trial) {
	t.Helper()
	t.Run(name, func(t *testing.T) {
		w := s.world(t)
		for _, test := range tests {
			if s.has(test.needs...) {
				t.Run(test.name, func(t *testing.T) { test.test(t, w) })
			}
		}
	})
}

func (s suite) has(needs ...Part) bool {
	for _, part := range needs {
		if !applies(part, s.traits) {
			return false
		}
	}
	return true
}

func traitsOf(t *testing.T, config Config) ripcord.Traits {
	t.Helper()
	fixture := config.New(t)
	step, err := fixture.Adapter.Open(t.Context(), fixture.Spec, fixture.Scope)
	if err != nil {
		t.Fatalf("Open: %v", describe(err))
	}
	if describer, ok := step.(ripcord.Describer); ok {
		return describer.Traits()
	}
	return ripcord.DefaultTraits()
}

// describe adds to an error what its text leaves out.
func describe(err error) string {
	if err == nil {
		return "<nil>"
	}
	text := err.Error()
	if failure, ok := err.(*ripcord.Failure); ok { //nolint:errorlint // only what the adapter itself returned
		lines, _ := json.Marshal(failure.Lines) //nolint:errchkjson // strings always marshal
		text = fmt.Sprintf("%s: %s %s", failure.Class, text, lines)
	}
	return text
}
