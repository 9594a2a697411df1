package adaptertest

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/ripcord-dev/ripcord"
)

// errDied is what everything says to a step whose executor is dead.
var errDied = errors.New("the executor has died")

// manner is how an Apply is interrupted at a touch.
type manner int

const (
	cancelBefore manner = iota
	cancelDuring
	cancelAfter
	dieBefore
	dieDuring
	dieAfter
	manners
)

func (m manner) String() string {
	return [manners]string{"cancel before", "cancel during", "cancel after", "die before", "die during", "die after"}[m]
}

func (m manner) dies() bool { return m >= dieBefore }

// interrupter counts what a step does to the outside through its scope and
// Record, and interrupts it at one of these touches.
type interrupter struct {
	at     int // the touch, from 1; 0 interrupts none
	how    manner
	cancel context.CancelFunc

	mu      sync.Mutex
	count   int
	died    bool
	hits    bool
	orphans sync.WaitGroup // what goes on although the executor died
}

// touch wraps one touch. The effect runs with the context that it should see.
func (i *interrupter) touch(ctx context.Context, effect func(ctx context.Context) error) error {
	i.mu.Lock()
	i.count++
	died, hit := i.died, i.count == i.at
	i.hits = i.hits || hit
	i.died = i.died || hit && i.how.dies()
	i.mu.Unlock()
	if died {
		return errDied
	}
	if !hit {
		return effect(ctx)
	}
	switch i.how {
	case cancelBefore:
		i.cancel()
		return effect(ctx)
	case cancelDuring:
		timer := time.AfterFunc(20*time.Millisecond, i.cancel)
		defer timer.Stop()
		return effect(ctx)
	case cancelAfter:
		defer i.cancel()
		return effect(ctx)
	case dieDuring: // what was begun goes on without us
		begun := make(chan struct{})
		i.orphans.Go(func() {
			close(begun)
			_ = effect(context.WithoutCancel(ctx)) // nobody is left to hear of it
		})
		<-begun
		return errDied
	case dieAfter:
		_ = effect(ctx) // nobody is left to hear of it
		return errDied
	case dieBefore, manners:
	}
	return errDied
}

// scope returns s with everything that acts going through the interrupter.
func (i *interrupter) scope(s ripcord.Scope) ripcord.Scope {
	s.Commands = touchedCommands{s.Commands, i}
	s.Supervisor = touchedSupervisor{s.Supervisor, i}
	return s
}

// attempt makes Record one of the touches.
func (i *interrupter) attempt(a *ripcord.Attempt) {
	record := a.Record
	a.Record = func(ctx context.Context, data any) error {
		return i.touch(ctx, func(ctx context.Context) error { return record(ctx, data) })
	}
}

type touchedCommands struct {
	ripcord.Commands
	by *interrupter
}

func (c touchedCommands) Run(ctx context.Context, command ripcord.Command) (ripcord.Exit, error) {
	command.Output = nil // a dead executor hears nothing; what is heard is not tested here
	var mu sync.Mutex
	var heard ripcord.Exit // an orphan may still write it when we have returned
	err := c.by.touch(ctx, func(ctx context.Context) error {
		exit, err := c.Commands.Run(ctx, command)
		mu.Lock()
		defer mu.Unlock()
		heard = exit
		return err
	})
	mu.Lock()
	defer mu.Unlock()
	return heard, err
}

type touchedSupervisor struct {
	ripcord.Supervisor
	by *interrupter
}

func (s touchedSupervisor) Start(ctx context.Context, i ripcord.Instance) error {
	return s.by.touch(ctx, func(ctx context.Context) error { return s.Supervisor.Start(ctx, i) })
}

func (s touchedSupervisor) Stop(ctx context.Context, id string) error {
	return s.by.touch(ctx, func(ctx context.Context) error { return s.Supervisor.Stop(ctx, id) })
}

// interruptions interrupts Apply at each of its first touches, in each manner,
// and then goes back or completes.
func (s suite) interruptions(t *testing.T) {
	if !s.has(PartChange) {
		return
	}
	probe := &interrupter{}
	counted := s.world(t)
	if err := counted.applyIn(t.Context(), t, probe.scope(counted.Scope), probe.attempt); err != nil {
		t.Fatalf("Apply: %v", describe(err))
	}
	for at := 1; at <= min(probe.count, moments); at++ {
		for how := range manners {
			name := fmt.Sprintf("%s touch %d", how, at)
			undo, apply := s.follows(at, how)
			if undo {
				t.Run(name+"/then undo", func(t *testing.T) {
					w := s.world(t)
					w.interrupted(t, at, how)
					w.undo(t)
					w.back(t)
				})
			}
			if apply {
				t.Run(name+"/then apply", func(t *testing.T) {
					w := s.world(t)
					w.interrupted(t, at, how)
					w.apply(t)
					w.present(t)
					if s.has(PartUndo) {
						w.undo(t)
						w.back(t)
					}
				})
			}
		}
	}
}

// follows says what is to follow an interruption.
func (s suite) follows(at int, how manner) (undo, apply bool) {
	undo, apply = s.has(PartUndoAgain), s.has(PartAgain)
	if turns := s.config.Turns; turns != Both && undo && apply {
		undo = (at+int(how)+int(turns))%2 == 0
		apply = !undo
	}
	return undo, apply
}

// interrupted applies, is interrupted, and settles the orphan as recovery does.
func (w *world) interrupted(t *testing.T, at int, how manner) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	i := &interrupter{at: at, how: how, cancel: cancel}
	err := w.applyIn(ctx, t, i.scope(w.Scope), i.attempt)
	i.mu.Lock()
	hit := i.hits
	i.mu.Unlock()
	if !hit {
		t.Fatalf("Apply made fewer touches this time; its error: %v", describe(err))
	}
	if !how.dies() {
		return
	}
	if resumer, ok := w.open(t).(ripcord.Resumer); ok {
		if err := resumer.Resume(t.Context(), w.journal.Attempt(w.applies), false); err != nil && !errors.Is(err, ripcord.ErrLost) {
			t.Logf("Resume: %v", describe(err))
		}
	}
	i.orphans.Wait() // by the contracts nothing of the dead executor runs any more
}

// breaks makes Apply fail in the system's own ways.
func (s suite) breaks(t *testing.T) {
	fixture := s.config.New(t)
	for n, b := range fixture.Breaks {
		t.Run("break/"+b.Name, func(t *testing.T) {
			w := s.world(t)
			w.broken(t, w.Breaks[n])
			if s.has(PartUndoAgain) {
				w.undo(t)
				w.back(t)
			}
		})
		t.Run("break/"+b.Name+"/then apply", func(t *testing.T) {
			w := s.world(t)
			w.broken(t, w.Breaks[n])
			if s.has(PartAgain) {
				w.apply(t)
				w.present(t)
			}
		})
	}
}

func (w *world) broken(t *testing.T, b Break) {
	t.Helper()
	b.Break(t)
	own := w.Spec
	if b.Spec != nil {
		w.Spec = *b.Spec
	}
	err := w.applyIn(t.Context(), t, w.Scope, nil)
	w.Spec = own
	b.Mend(t)
	if err == nil {
		t.Fatal("Apply succeeds although its system is broken")
	}
	w.leaks(t, "Apply's error", describe(err))
	w.leaks(t, "Output", w.journal.Output())
}
