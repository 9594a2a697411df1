package haproxy

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/ripcord-dev/ripcord"
)

const (
	pollInterval = 25 * time.Millisecond
	// maxRestarts is how often in one attempt a restarted HAProxy is told anew.
	maxRestarts = 5
)

// mover brings a backend to wanted servers, whatever there is of them.
type mover struct {
	step         *Step
	attempt      ripcord.Attempt
	before, want image
	// wait names the servers that have to be ready before any weight moves.
	wait []string
	// back says that this is the way back: one ready server is enough, traffic
	// comes before the file, and what has lost its traffic is drained.
	back bool
	// ours are lines that an attempt of this step may have left.
	ours []string
}

// reach moves until HAProxy has what is wanted, also when it is restarted
// meanwhile and has forgotten everything.
func (m *mover) reach(ctx context.Context, v view) error {
	for range maxRestarts {
		err := m.once(ctx, v.image)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		next, looked := m.look(ctx)
		switch {
		case looked != nil:
			return errors.Join(err, looked)
		case next.process != v.process:
			say(m.attempt, "HAProxy was restarted meanwhile: what it forgot is told again")
			v = next
			continue
		case err != nil:
			return err
		case m.back && next.image.hasServers(m.want), has(next.image, m.want):
			return nil
		}
		return m.notTaken(next.image)
	}
	return &ripcord.Failure{Class: ripcord.FailedTarget, Summary: fmt.Sprintf("HAProxy was restarted %d times in a row", maxRestarts)}
}

// look sees what there is. The way back does not depend on the file.
func (m *mover) look(ctx context.Context) (view, error) {
	if m.back {
		return m.step.awaitServers(ctx)
	}
	return m.step.await(ctx)
}

// notTaken says what HAProxy has in place of what it was told.
func (m *mover) notTaken(now image) error {
	failure := &ripcord.Failure{Class: ripcord.FailedTarget, Summary: "HAProxy does not have what it was told: perhaps somebody else changes backend " + now.Backend + " at the same time"}
	for _, to := range m.want.Servers {
		is := now.server(to.Name)
		switch {
		case is == nil:
			failure.Lines = append(failure.Lines, "server "+to.Name+" is gone")
		case *is != to:
			failure.Lines = append(failure.Lines, fmt.Sprintf("server %s: %+v in place of %+v", to.Name, *is, to))
		}
	}
	return failure
}

// once makes every change in its order.
func (m *mover) once(ctx context.Context, now image) error {
	if err := m.prepare(ctx, now); err != nil {
		return err
	}
	if err := m.ready(ctx); err != nil {
		return err
	}
	if m.back {
		return m.onceBack(ctx)
	}
	for _, step := range []func(context.Context) error{m.write, m.shift, m.settle} {
		if err := step(ctx); err != nil {
			return err
		}
	}
	return nil
}

// onceBack moves the traffic before anything else; a file that cannot be put back
// does not keep the new servers from going.
func (m *mover) onceBack(ctx context.Context) error {
	if err := m.shift(ctx); err != nil {
		return err
	}
	written := m.write(ctx)
	settled := m.settle(ctx)
	if written != nil {
		return written
	}
	return settled
}

// prepare makes, sends and wakes the servers that are wanted ready and are not,
// all without traffic.
func (m *mover) prepare(ctx context.Context, now image) error {
	for _, to := range m.want.Servers {
		is := now.server(to.Name)
		if to.Backup || is != nil && (to.Admin != ready || is.Admin == ready && is.Address == to.Address) {
			continue
		}
		if is == nil {
			if err := m.add(ctx, to); err != nil {
				return err
			}
			is = &server{Name: to.Name, Address: to.Address, Admin: maint, Checks: checksOff}
		}
		if to.Admin != ready {
			continue
		}
		if err := m.wake(ctx, *is, to); err != nil {
			return err
		}
	}
	return nil
}

// add makes a server, in maintenance and without weight.
func (m *mover) add(ctx context.Context, to server) error {
	client, backend := m.step.client, m.step.settings.Backend
	made := func(words []string) error {
		text := "add server " + backend + "/" + to.Name + " " + to.Address + " " + join(words) + " weight 0"
		return client.do(ctx, command{text: text, fine: []string{"New server registered", "Already exists a server"}})
	}
	words := m.step.settings.makeWords(to)
	known := keywords(m.before.Lines, to.Name)
	if known == nil {
		return refusal(made(words))
	}
	err := made(known)
	if _, refused := errors.AsType[*refusedError](err); refused { // a word that only the file may use
		err = made(words)
	}
	return refusal(err)
}

// wake makes a server take part, still without weight, and forget what earlier
// checks said: only checks made from now on can mark it up.
func (m *mover) wake(ctx context.Context, is, to server) error {
	at := m.step.settings.Backend + "/" + to.Name
	if err := m.step.client.together(ctx, []string{"set server " + at + " weight 0"}); err != nil {
		return refusal(err)
	}
	if is.Address != to.Address {
		if err := m.redirect(ctx, is, to); err != nil {
			return err
		}
	}
	var changes []string
	if is.Checks == checksOff && to.Checks == checksOn {
		changes = append(changes, "enable health "+at)
	}
	changes = append(changes, "set server "+at+" state ready")
	if to.Checks == checksOn {
		changes = append(changes, "set server "+at+" health down")
	}
	return refusal(m.step.client.together(ctx, changes))
}

// redirect sends a server without weight elsewhere, which it takes only as one in
// maintenance.
func (m *mover) redirect(ctx context.Context, is, to server) error {
	if is.carries() {
		limited, cancel := m.step.patience(ctx)
		defer cancel()
		if _, err := m.step.drained(ctx, limited, m.attempt, to.Name); err != nil {
			return err
		}
	}
	if err := m.step.client.together(ctx, []string{"set server " + m.step.settings.Backend + "/" + to.Name + " state maint"}); err != nil {
		return refusal(err)
	}
	return m.step.send(ctx, to.Name, to.Address)
}

// write brings our lines of the configuration file to what is wanted.
func (m *mover) write(ctx context.Context) error {
	if m.want.Lines == nil || m.step.settings.Config == "" {
		return nil
	}
	return m.step.replaceLines(ctx, *m.want.Lines, append(slices.Clone(m.ours), m.before.lines())...)
}

// shift moves the weights: all up first, then all down.
func (m *mover) shift(ctx context.Context) error {
	v, err := m.step.servers(ctx)
	if err != nil {
		return err
	}
	var up, down []string
	set := func(name string, from, to int) {
		text := fmt.Sprintf("set server %s/%s weight %d", m.step.settings.Backend, name, to)
		if to > from {
			up = append(up, text)
		} else if to < from {
			down = append(down, text)
		}
	}
	for _, is := range v.image.Servers {
		to := m.want.server(is.Name)
		switch {
		case is.Backup:
		case to == nil:
			if m.removes(is) {
				set(is.Name, is.Weight, 0)
			}
		case to.Admin == ready && is.Address == to.Address:
			set(is.Name, is.Weight, to.Weight)
		case is.carries():
			set(is.Name, is.Weight, 0)
		}
	}
	return refusal(m.step.client.together(ctx, append(up, down...)))
}

// removes says which servers are none of the wanted ones and ours to remove.
func (m *mover) removes(is server) bool {
	return m.back && is.Made != 0 && m.step.settings.names(is.Name)
}

// settle brings those servers that have lost their traffic to what is wanted.
func (m *mover) settle(ctx context.Context) error {
	v, err := m.step.servers(ctx)
	if err != nil {
		return err
	}
	limited, cancel := m.step.patience(ctx)
	defer cancel()
	for _, is := range v.image.Servers {
		to := m.want.server(is.Name)
		switch {
		case to == nil && m.removes(is):
			err = m.step.remove(ctx, limited, m.attempt, is)
		case to == nil || *to == is || is.Backup:
		default:
			err = m.rest(ctx, limited, is, *to)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// rest puts a server to rest as it is wanted.
func (m *mover) rest(ctx, limited context.Context, is, to server) error {
	at := m.step.settings.Backend + "/" + is.Name
	if m.back && is.Admin == ready && to.Admin != ready {
		if _, err := m.step.drained(ctx, limited, m.attempt, is.Name); err != nil {
			return err
		}
	}
	if is.Address != to.Address || is.Admin != to.Admin && to.Admin == maint {
		if err := m.step.client.together(ctx, []string{"set server " + at + " state maint"}); err != nil {
			return refusal(err)
		}
		if is.Address != to.Address {
			if err := m.step.send(ctx, is.Name, to.Address); err != nil {
				return err
			}
		}
		is.Admin = maint
	}
	var changes []string
	if is.Checks == checksOn && to.Checks == checksOff {
		changes = append(changes, "disable health "+at)
	}
	if is.Checks == checksOff && to.Checks == checksOn {
		changes = append(changes, "enable health "+at)
	}
	if is.Admin != to.Admin {
		changes = append(changes, "set server "+at+" state "+to.Admin)
	}
	if is.Weight != to.Weight {
		changes = append(changes, fmt.Sprintf("set server %s weight %d", at, to.Weight))
	}
	return refusal(m.step.client.together(ctx, changes))
}

// refusal turns HAProxy's refusal into a failure.
func refusal(err error) error {
	if refused, ok := errors.AsType[*refusedError](err); ok {
		return &ripcord.Failure{Class: ripcord.FailedTarget, Summary: refused.Error()}
	}
	return err
}
