package health

import (
	"context"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/ripcord-dev/ripcord"
)

const (
	commandGrace = 2 * time.Second
	outputLimit  = 64 << 10
	ownPrefix    = "RIPCORD_"
)

// command runs a command; status 0 is well.
func (k Asker) command(ctx context.Context, s Settings) error {
	if k.Scope.Commands == nil {
		return &AnswerError{Text: "no command can be executed here"}
	}
	c := ripcord.Command{
		// Nobody resumes it: its time-out ends it when its executor dies.
		Timeout: s.AttemptTimeout.Std(), Grace: commandGrace, OutputLimit: outputLimit,
		Dir: filepath.Join(k.Scope.Directory, s.Directory),
	}
	if filepath.IsAbs(s.Directory) {
		c.Dir = s.Directory
	}
	for _, arg := range s.Command {
		expanded, secrets, err := k.expand(ctx, arg)
		if err != nil {
			return err
		}
		c.Args, c.Secrets = append(c.Args, expanded), append(c.Secrets, secrets...)
	}
	env, secrets, err := k.environment(ctx, s)
	if err != nil {
		return err
	}
	c.Env, c.Secrets = env, append(c.Secrets, secrets...)
	exit, err := k.Scope.Commands.Run(ctx, c)
	switch {
	case err != nil:
		return &AnswerError{Text: "could not be started: " + hide(err.Error(), c.Secrets), err: err}
	case exit.TimedOut:
		return &AnswerError{Text: fmt.Sprintf("no end within %s", s.AttemptTimeout), Lines: exit.Tail}
	case exit.Cancelled:
		return &AnswerError{Text: "was stopped", err: ctx.Err()}
	case exit.Signal != "":
		return tail(fmt.Sprintf("ended by signal %q", exit.Signal), exit.Tail)
	case exit.Code != 0:
		return tail(fmt.Sprintf("exit status %d", exit.Code), exit.Tail)
	default:
		return nil
	}
}

func tail(text string, lines []string) *AnswerError {
	for _, line := range slices.Backward(lines) {
		if line = strings.TrimSpace(line); line != "" {
			return &AnswerError{Text: text + ": " + line, Lines: lines[max(0, len(lines)-excerptLines):]}
		}
	}
	return &AnswerError{Text: text, Lines: lines[max(0, len(lines)-excerptLines):]}
}

func (k Asker) environment(ctx context.Context, s Settings) (env, secrets []string, err error) {
	if k.Environ != nil {
		for _, variable := range k.Environ() {
			name, _, _ := strings.Cut(variable, "=")
			if _, replaced := s.Environment[name]; !replaced && !strings.HasPrefix(name, ownPrefix) {
				env = append(env, variable)
			}
		}
	}
	env = append(env,
		ownPrefix+"RUN="+string(k.Scope.Run), ownPrefix+"STEP="+string(k.Step), ownPrefix+"KEY="+ripcord.Key(k.Scope.Run, k.Step),
		ownPrefix+"APPLICATION="+k.Scope.Application, ownPrefix+"ENVIRONMENT="+k.Scope.Environment,
		ownPrefix+"VERSION="+k.Scope.Version, ownPrefix+"DIRECTION=check")
	for _, name := range slices.Sorted(maps.Keys(s.Environment)) {
		value, values, err := k.expand(ctx, s.Environment[name])
		if err != nil {
			return nil, nil, err
		}
		env, secrets = append(env, name+"="+value), append(secrets, values...)
	}
	return env, secrets, nil
}
