package docker

import (
	"context"
	"errors"
	"time"

	"github.com/ripcord-dev/ripcord"
	"github.com/ripcord-dev/ripcord/adapter/internal/service"
)

// patience is how long an engine may be away in the middle of an effect, for
// example because it is restarted.
const patience = 30 * time.Second

// patiently does something again when the engine went away in its middle, until it
// is back or patience has ended. What it does is safe to repeat.
func (s *Step) patiently(ctx context.Context, a ripcord.Attempt, do func() error) error {
	limit := time.NewTimer(patience)
	defer limit.Stop()
	pause := time.NewTicker(500 * time.Millisecond)
	defer pause.Stop()
	told := false
	for {
		err := do()
		if !away(err) {
			return failed(err)
		}
		if !told {
			service.Note(a.Output, "%v; waiting for it", err)
			told = true
		}
		select {
		case <-pause.C:
		case <-limit.C:
			return failed(err)
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// failed is an engine that cannot be used as the step's failure.
func failed(err error) error {
	if gone, ok := errors.AsType[*unreachableError](err); ok {
		text, fix := gone.plain()
		return &ripcord.Failure{Class: ripcord.FailedTarget, Summary: text + "; " + fix}
	}
	return err
}

// until asks again and again until the answer is yes.
func until(ctx context.Context, ask func() (bool, error)) error {
	pause := time.NewTicker(100 * time.Millisecond)
	defer pause.Stop()
	for {
		yes, err := ask()
		if yes || err != nil {
			return err
		}
		select {
		case <-pause.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}
