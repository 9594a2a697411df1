package adaptertest_test

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/ripcord-dev/ripcord"
	"github.com/ripcord-dev/ripcord/adapter/adaptertest"
	"github.com/ripcord-dev/ripcord/adapter/fake"
)

// mutantVariable names the mutant that a child process of TestMutants plays.
const mutantVariable = "ADAPTERTEST_MUTANT"

const (
	secret   = "s3cr3t-value"
	settings = `{"target":"x","value":"v2 ${secret:KEY}","records":true,"prepares":true,"finishes":true,"outputs":{"a":"b"}}`
)

// mutant is a fake adapter with one flaw.
type mutant struct {
	*fake.Adapter
	world *fake.World
	flaw  string
	calls int
}

func (m *mutant) Open(ctx context.Context, spec ripcord.StepSpec, scope ripcord.Scope) (ripcord.Step, error) {
	text := string(spec.Settings)
	switch {
	case m.flaw == "open touches":
		m.world.Set("other", "touched")
	case m.flaw == "open takes unknown settings" && strings.Contains(text, "no_such_setting"),
		m.flaw == "open takes wrong types" && strings.Contains(text, `"target":{`),
		m.flaw == "open takes garbage" && !strings.Contains(text, `"target":`):
		spec.Settings = json.RawMessage(settings)
	case m.flaw == "open refuses references" && strings.Contains(text, "${steps."):
		return nil, ripcord.Errorf(ripcord.CodePlan, "what is this?")
	}
	step, err := m.Adapter.Open(ctx, spec, scope)
	if err != nil {
		if m.flaw == "open's error has no code" {
			return nil, errors.New(err.Error())
		}
		return nil, err
	}
	return &mutantStep{Step: step.(*fake.Step), m: m}, nil
}

// mutantStep hands everything to the fake step, but for the flaw.
type mutantStep struct {
	*fake.Step
	m       *mutant
	applied bool
}

func (s *mutantStep) is(flaw string) bool { return s.m.flaw == flaw }

func (s *mutantStep) Traits() ripcord.Traits {
	traits := s.Step.Traits()
	if s.is("traits promise a loss without words") {
		traits.Reversal.Way = ripcord.WayRestorable
	}
	if s.is("traits claim exact without check") {
		traits.Checkable = false
	}
	return traits
}

func (s *mutantStep) Check(ctx context.Context) (ripcord.Observation, error) {
	s.m.calls++
	seen, err := s.Step.Check(ctx)
	switch {
	case s.is("check writes"):
		s.m.world.Set("checked", strings.Repeat("x", s.m.calls))
	case s.is("check is unstable"):
		seen.Image = append(seen.Image, byte(s.m.calls))
	case s.is("check shows a secret"):
		seen.Detail += string(seen.Image)
	case s.is("check finds everything"):
		seen.Presence = ripcord.Present
	}
	return seen, err
}

func (s *mutantStep) Apply(ctx context.Context, a ripcord.Attempt) error {
	if s.is("apply ignores the context") {
		ctx = context.WithoutCancel(ctx)
	}
	switch {
	case s.is("apply does nothing"):
		return nil
	case s.is("apply adds each time"):
		s.m.world.Set("log", strings.Repeat("x", a.Number))
	case s.is("apply does not record in time"):
		s.m.world.Set("made", "x")
		record := a.Record
		a.Record = func(ctx context.Context, data any) error {
			err := record(ctx, data)
			if err == nil {
				s.m.world.Unset("made")
			}
			return err
		}
	case s.is("apply records a secret"):
		if err := a.Record(ctx, secret); err != nil {
			return err
		}
	case s.is("apply prints a secret"):
		if _, err := a.Output.Write([]byte(secret)); err != nil {
			return err
		}
	}
	s.applied = true
	err := s.Step.Apply(ctx, a)
	switch {
	case err != nil && s.is("apply's error shows a secret"):
		return errors.New(err.Error() + secret)
	case err != nil && s.is("apply hides its error"):
		return nil
	}
	return err
}

func (s *mutantStep) Undo(ctx context.Context, a ripcord.Attempt) error {
	switch {
	case s.is("undo does nothing"):
		return nil
	case s.is("undo trusts its memory") && !s.applied:
		return nil
	case s.is("undo needs progress") && len(a.Progress) == 0:
		s.m.world.Unset("x")
		return nil
	case s.is("undo damages the second time") && a.Number > 1:
		s.m.world.Unset("x")
		return nil
	case s.is("undo touches others"):
		s.m.world.Unset("other")
	}
	return s.Step.Undo(ctx, a)
}

func (s *mutantStep) Finish(ctx context.Context, a ripcord.Attempt) error {
	if s.is("finish twice") {
		s.m.world.Set("finished", strings.Repeat("x", a.Number))
	}
	return s.Step.Finish(ctx, a)
}

func (s *mutantStep) Discard(ctx context.Context, a ripcord.Attempt) error {
	s.m.calls++
	if s.is("discard fails twice") && s.m.calls > 1 {
		return errors.New("nothing to discard")
	}
	return s.Step.Discard(ctx, a)
}

func (s *mutantStep) Outputs(ctx context.Context, a ripcord.Attempt) (map[string]ripcord.Output, error) {
	s.m.calls++
	outputs, err := s.Step.Outputs(ctx, a)
	if s.is("outputs change") {
		outputs["a"] = ripcord.Output{Value: strings.Repeat("x", s.m.calls)}
	}
	if s.is("outputs show a secret") {
		outputs["a"] = ripcord.Output{Value: secret}
	}
	return outputs, err
}

func (s *mutantStep) Explain(ctx context.Context) (string, error) {
	if s.is("explain writes") {
		s.m.world.Set("explained", "x")
	}
	return s.Step.Explain(ctx)
}

func (s *mutantStep) Evidence(ctx context.Context) ([]ripcord.Evidence, error) {
	if s.is("evidence shows a secret") {
		return []ripcord.Evidence{{Name: "x", Data: []byte(secret)}}, nil
	}
	return s.Step.Evidence(ctx)
}

func mutantConfig(flaw string) adaptertest.Config {
	return adaptertest.Config{New: func(t *testing.T) adaptertest.Fixture {
		t.Helper()
		world := fake.NewWorld()
		world.Set("x", "v1")
		world.Set("other", "stays")
		scope := adaptertest.NewScope(t)
		scope.Secrets = adaptertest.Secrets{"KEY": secret}
		return adaptertest.Fixture{
			Adapter:     &mutant{Adapter: fake.New(world), world: world, flaw: flaw},
			Spec:        ripcord.StepSpec{ID: "set", Settings: json.RawMessage(settings)},
			Scope:       scope,
			Fingerprint: func(*testing.T) string { return world.Fingerprint() },
			References:  []string{"value"},
			Secrets:     []string{secret},
			Breaks: []adaptertest.Break{{
				Name:  "half",
				Break: func(*testing.T) { world.Inject(fake.Fault{Step: "set", Op: fake.Apply, Mode: fake.FailHalf}) },
				Mend:  func(*testing.T) { world.Heal() },
			}},
		}
	}}
}

// TestMutant runs the suite on one flawed adapter; without the variable on one
// that has no flaw.
func TestMutant(t *testing.T) {
	t.Parallel()
	adaptertest.Run(t, mutantConfig(os.Getenv(mutantVariable)))
}

// TestMutants shows that the suite catches each flaw.
func TestMutants(t *testing.T) {
	t.Parallel()
	flaws := []string{
		"open touches", "open takes unknown settings", "open takes wrong types", "open takes garbage",
		"open refuses references", "open's error has no code",
		"traits promise a loss without words", "traits claim exact without check",
		"check writes", "check is unstable", "check shows a secret", "check finds everything",
		"apply ignores the context", "apply does nothing", "apply adds each time", "apply does not record in time",
		"apply records a secret", "apply prints a secret", "apply's error shows a secret", "apply hides its error",
		"undo does nothing", "undo trusts its memory", "undo needs progress", "undo damages the second time", "undo touches others",
		"finish twice", "discard fails twice", "outputs change", "outputs show a secret", "explain writes", "evidence shows a secret",
	}
	for _, flaw := range flaws {
		t.Run(flaw, func(t *testing.T) {
			t.Parallel()
			child := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestMutant$")
			child.Env = append(os.Environ(), mutantVariable+"="+flaw)
			out, err := child.CombinedOutput()
			if err == nil {
				t.Fatalf("the suite passes an adapter whose flaw is: %s", flaw)
			}
			if !strings.Contains(string(out), "--- FAIL: TestMutant") || strings.Contains(string(out), "panic:") {
				t.Fatalf("the child failed otherwise:\n%s", out)
			}
		})
	}
}
