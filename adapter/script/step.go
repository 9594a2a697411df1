package script

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"time"

	"github.com/ripcord-dev/ripcord"
)

// defaultGrace is how long a command may take to end after SIGTERM.
const defaultGrace = 10 * time.Second

// The directions a command can run in; they are part of its key.
const (
	apply = "apply"
	undo  = "undo"
	check = "check"
)

// Step runs the commands of one spec.
type Step struct {
	spec     ripcord.StepSpec
	settings Settings
	scope    ripcord.Scope
	environ  func() []string
}

// Apply runs the command. From the second attempt on it first asks the check, so
// that an effect which is there in full is not made again.
func (s *Step) Apply(ctx context.Context, a ripcord.Attempt) error {
	if a.Number > 1 && s.settings.Check != nil && !s.isManual() && !s.changesNothing() {
		if seen, err := s.Check(ctx); err == nil && seen.Presence == ripcord.Present {
			note(a.Output, "%s says that everything is there already", shown(s.settings.Check))
			return nil
		}
	}
	if s.isManual() {
		return s.confirm(ctx)
	}
	outputs, err := s.freshOutputs()
	if err != nil {
		return err
	}
	argv := s.settings.Command
	if s.scope.Again && !s.away() {
		var notes []string
		if argv, notes, err = s.bundled(argv); err != nil {
			return err
		}
		for _, text := range notes {
			note(a.Output, "%s", text)
		}
	}
	c, err := s.command(ctx, apply, a.Number, argv, a.Output)
	if err != nil {
		return err
	}
	if !s.away() { // its shim says where, there
		c.Env = append(c.Env, "RIPCORD_OUTPUT="+outputs)
	}
	exit, err := s.run(ctx, a, c, false)
	return s.applied(ctx, c, exit, err)
}

// applied is how Apply ends once its command has.
func (s *Step) applied(ctx context.Context, c ripcord.Command, exit ripcord.Exit, err error) error {
	if err := s.ended(ctx, s.settings.Command, c, exit, err); err != nil {
		return err
	}
	if _, err := s.outputs(c.Secrets); err != nil {
		return err
	}
	return s.confirm(ctx)
}

// confirm asks the check whether the effect is there. A command's own word is no
// evidence.
func (s *Step) confirm(ctx context.Context) error {
	if s.settings.Check == nil || s.changesNothing() {
		return ctx.Err()
	}
	seen, err := s.Check(ctx)
	if err != nil {
		return err
	}
	if seen.Presence == ripcord.Present {
		return nil
	}
	who := shown(s.settings.Command) + " ended well"
	if s.isManual() {
		who = "it was confirmed as done"
	}
	return &ripcord.Failure{
		Class:   ripcord.FailedCheck,
		Summary: fmt.Sprintf("%s, but the check does not find the effect: %s", who, seen.Detail),
	}
}

// Undo runs the undo command; where nothing changes, or a person goes back, there
// is none. A repeated Undo is spared when the check proves that all is back.
func (s *Step) Undo(ctx context.Context, a ripcord.Attempt) error {
	if s.changesNothing() || s.isManual() {
		return ctx.Err()
	}
	if s.settings.Undo == nil {
		return &ripcord.Failure{Class: ripcord.FailedTarget, Summary: "step " + string(s.spec.ID) + " declares no undo", Final: true}
	}
	if a.Number > 1 && s.isBack(ctx, a.Before) {
		note(a.Output, "%s says that everything is back already", shown(s.settings.Check))
		return nil
	}
	argv, notes := s.settings.Undo, []string(nil)
	if !s.away() {
		var err error
		if argv, notes, err = s.bundled(argv); err != nil {
			return err
		}
	}
	for _, text := range notes {
		note(a.Output, "%s", text)
	}
	c, err := s.command(ctx, undo, a.Number, argv, a.Output)
	if err != nil {
		return err
	}
	exit, err := s.run(ctx, a, c, false)
	if err := s.ended(ctx, s.settings.Undo, c, exit, err); err != nil {
		return err
	}
	return s.drop(ctx)
}

// Finish drops what a step with another user, or on another machine, left outside of
// the state directory: nothing else would.
func (s *Step) Finish(ctx context.Context, _ ripcord.Attempt) error { return s.drop(ctx) }

func (s *Step) drop(ctx context.Context) error {
	if s.away() {
		return s.dropAway(ctx)
	}
	return s.dropShared()
}

// isBack reports whether the check proves that the world is as in before. A check
// without an image proves nothing about what stands half-way.
func (s *Step) isBack(ctx context.Context, before ripcord.Observation) bool {
	if s.settings.Check == nil || !before.Exact {
		return false
	}
	now, err := s.Check(ctx)
	return err == nil && now.Exact && now.Presence == before.Presence && string(now.Image) == string(before.Image)
}

// Resume waits for the command that a dead executor started.
func (s *Step) Resume(ctx context.Context, a ripcord.Attempt, back bool) error {
	direction, argv := apply, s.settings.Command
	if back {
		direction, argv = undo, s.settings.Undo
	}
	if argv == nil || back && s.changesNothing() {
		return ripcord.ErrLost
	}
	c, err := s.command(ctx, direction, a.Number, argv, a.Output)
	if err != nil {
		return err
	}
	exit, err := s.run(ctx, a, c, true)
	if errors.Is(err, ripcord.ErrLost) {
		return err
	}
	if back {
		return s.ended(ctx, argv, c, exit, err)
	}
	return s.applied(ctx, c, exit, err)
}

// Outputs returns what the command wrote to $RIPCORD_OUTPUT.
func (s *Step) Outputs(ctx context.Context, _ ripcord.Attempt) (map[string]ripcord.Output, error) {
	if s.isManual() {
		return nil, nil
	}
	_, secrets, err := s.environment(ctx, apply, 0)
	if err != nil {
		return nil, err
	}
	return s.outputs(secrets)
}

// command makes the command for one direction and attempt.
func (s *Step) command(ctx context.Context, direction string, number int, argv []string, output io.Writer) (ripcord.Command, error) {
	env, secrets, err := s.environment(ctx, direction, number)
	if err != nil {
		return ripcord.Command{}, err
	}
	args := make([]string, len(argv))
	for i, arg := range argv {
		expanded, values, err := s.scope.Secrets.Expand(ctx, arg)
		if err != nil {
			return ripcord.Command{}, err
		}
		args[i], secrets = expanded, append(secrets, values...)
	}
	dir, instead, err := s.place(direction)
	if err != nil {
		return ripcord.Command{}, err
	}
	if instead != "" && direction == undo { // what a check prints is its image
		note(output, "%s", instead)
	}
	if output == nil {
		output = io.Discard
	}
	return ripcord.Command{
		Key:  ripcord.Key(s.scope.Run, s.spec.ID) + "/" + direction + "/" + strconv.Itoa(number),
		Args: args, Dir: dir, Env: env, User: s.settings.User, Secrets: secrets, Output: output,
		Timeout: s.spec.Timeout.Std(), Grace: s.settings.Grace.Std(), OutputLimit: s.settings.OutputLimit,
	}, nil
}

// note writes one line of our own to the step's log.
func note(output io.Writer, format string, args ...any) {
	if output != nil {
		_, _ = fmt.Fprintf(output, "ripcord: "+format+"\n", args...) // the log must not stop the effect
	}
}
