package ssh

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"golang.org/x/crypto/ssh"
	"golang.org/x/sys/unix"

	"github.com/ripcord-dev/ripcord"
)

// stopLimit is how long a command that was stopped may take to be gone, before it
// is looked for.
const stopLimit = 3 * time.Second

// Run runs a command to its end. When the connection is lost meanwhile, the error
// is ErrLost; it comes only when nothing of the command runs any more.
func (m *Machine) Run(ctx context.Context, c ripcord.MachineCommand) (ripcord.Exit, error) {
	if err := ctx.Err(); err != nil {
		return ripcord.Exit{}, err
	}
	if len(c.Args) == 0 || strings.ContainsRune(c.Dir+strings.Join(c.Args, "")+strings.Join(c.Env, ""), 0) {
		return ripcord.Exit{}, ripcord.Errorf(ripcord.CodeInternal, "machine %s: a command without words, or with a NUL in them", m.host.name)
	}
	input := ""
	if c.Input != nil {
		data, err := io.ReadAll(c.Input)
		if err != nil {
			return ripcord.Exit{}, err
		}
		if input, err = m.stage(ctx, "", data); err != nil {
			return ripcord.Exit{}, err
		}
	}
	r := &running{host: m.host, errors: &errorStream{to: c.Errors}, output: c.Output}
	return r.run(ctx, line(c, input, m.host.options.Silence))
}

// running is one command on its leash.
type running struct {
	host       *host
	session    *ssh.Session
	connection *connection
	leash      *leash
	output     io.Writer
	errors     *errorStream
	exit       ripcord.Exit
}

func (r *running) run(ctx context.Context, program string) (ripcord.Exit, error) {
	var err error
	if r.session, r.connection, err = r.host.session(ctx); err != nil {
		return ripcord.Exit{}, err
	}
	defer r.host.leave(r.connection)
	defer func() { _ = r.session.Close() }() // it has ended, or nobody listens
	input, err := r.session.StdinPipe()
	if err != nil {
		return ripcord.Exit{}, err
	}
	r.leash = &leash{input: input}
	r.session.Stdout, r.session.Stderr = r.output, r.errors
	r.exit.StartedAt = r.host.options.Now()
	ended, told := make(chan error, 1), make(chan struct{})
	go func() {
		if err := r.session.Start(r.host.shell(start)); err != nil {
			ended <- err
			return
		}
		if _, err := io.WriteString(r.leash, program+"\n"); err != nil {
			_ = r.session.Close() // without its line the shell ends
		}
		close(told)
		ended <- r.session.Wait()
	}()
	return r.follow(ctx, told, ended)
}

// follow gives signs of life until the command has ended or must.
func (r *running) follow(ctx context.Context, told <-chan struct{}, ended <-chan error) (ripcord.Exit, error) {
	beat := time.NewTicker(r.host.options.Beat)
	defer beat.Stop()
	beats := make(chan struct{}, 1)
	defer close(beats)
	go func() { // a peer that does not read must not stop us
		select {
		case <-told: // a sign of life before it would be taken for the program
		case <-r.connection.dead:
		}
		for range beats {
			_, _ = io.WriteString(r.leash, "\n")
		}
	}()
	for {
		select {
		case err := <-ended:
			return r.ended(ctx, err)
		case <-beat.C:
			select {
			case beats <- struct{}{}:
			default:
			}
		case <-ctx.Done():
			return r.stop(ctx, ended)
		}
	}
}

// stop ends the leash, and with it the command.
func (r *running) stop(ctx context.Context, ended <-chan error) (ripcord.Exit, error) {
	go func() { _ = r.leash.Close() }() // it may wait for a peer that does not read
	limit := time.NewTimer(stopLimit)
	defer limit.Stop()
	select {
	case err := <-ended:
		exit, err := r.ended(ctx, err)
		if err == nil {
			exit.Cancelled, err = exit.Signal != "", ctx.Err()
		}
		return exit, err
	case <-limit.C:
	}
	// Something holds its output open, or the machine does not answer.
	if r.buried(ctx, r.host.options.Now().Add(r.host.options.Silence)) {
		return r.exit, ctx.Err()
	}
	r.connection.close()
	<-r.connection.dead
	return r.gone(ctx, nil)
}

// ended tells the three ends apart: a status, a signal, and none that is known.
func (r *running) ended(ctx context.Context, err error) (ripcord.Exit, error) {
	r.exit.EndedAt = r.host.options.Now()
	_, known, said := r.errors.leash()
	status, isStatus := errors.AsType[*ssh.ExitError](err)
	switch {
	case err == nil:
	case isStatus && status.Signal() != "":
		number := unix.SignalNum("SIG" + status.Signal())
		r.exit.Signal, r.exit.Code = strings.ToLower(status.Signal()), 128+int(number)
		if number != 0 {
			r.exit.Signal = number.String()
		}
	case isStatus:
		r.exit.Code = status.ExitStatus()
	case said == "":
		return r.gone(ctx, err)
	}
	if said != "" {
		return ripcord.Exit{}, trouble(ErrRefused, r.host.name, "a POSIX shell, /proc and coreutils are all that Ripcord needs there", "%s", said)
	}
	if !known && r.host.spec.Sudo {
		return ripcord.Exit{}, trouble(ErrRefused, r.host.name,
			fmt.Sprintf("let %[1]s use sudo without a password: `%[1]s ALL=(root) NOPASSWD: /bin/sh` in /etc/sudoers.d; or remove `sudo`", r.host.user),
			"sudo does not run commands for %s (status %d)%s", r.host.user, r.exit.Code, quoted(r.errors.words()))
	}
	if !known { // whatever ended there, it was not the command
		return ripcord.Exit{}, trouble(ErrRefused, r.host.name,
			fmt.Sprintf("give %s a login shell, and let sshd_config force no command on it", r.host.user),
			"it does not run commands for %s (status %d)%s", r.host.user, r.exit.Code, quoted(r.errors.words()))
	}
	return r.exit, nil
}

// gone is the end of a command whose connection was lost.
func (r *running) gone(ctx context.Context, why error) (ripcord.Exit, error) {
	if _, broken := errors.AsType[*ssh.ExitMissingError](why); broken {
		why = nil
	}
	until := r.host.options.Now()
	select {
	case <-r.connection.dead:
		until = r.connection.diedAt
	default:
	}
	// Signs of life that were under way may come late, but not later than the end
	// of the connection that they came on.
	until = until.Add(r.host.options.Silence + time.Second)
	if !r.buried(ctx, until) {
		timer := time.NewTimer(until.Sub(r.host.options.Now()))
		defer timer.Stop()
		<-timer.C
	}
	return ripcord.Exit{}, lost(r.host.name, why)
}

// buried reports whether nothing of the command runs any more, for sure. Where it
// is not known who it was, it may have been nobody.
func (r *running) buried(ctx context.Context, until time.Time) bool {
	group, known, _ := r.errors.leash()
	if !known {
		return false
	}
	limited, done := context.WithTimeout(context.WithoutCancel(ctx), until.Sub(r.host.options.Now()))
	defer done()
	for pause := 20 * time.Millisecond; limited.Err() == nil; pause *= 2 {
		if err := r.host.plain(limited, group.burial(), nil, nil); err == nil {
			return true
		}
		timer := time.NewTimer(pause)
		select {
		case <-timer.C:
		case <-limited.Done():
			timer.Stop()
		}
	}
	return false
}

// plain runs a shell's program of ours that needs no leash, because it cannot do anything
// late: its input is all that it waits for.
func (h *host) plain(ctx context.Context, program string, input []byte, output *bytes.Buffer) error {
	session, c, err := h.session(ctx)
	if err != nil {
		return err
	}
	defer h.leave(c)
	defer func() { _ = session.Close() }()
	session.Stdin = bytes.NewReader(input)
	var said bytes.Buffer
	if output != nil {
		session.Stdout = output
	}
	session.Stderr = &said
	ended := make(chan error, 1)
	go func() { ended <- session.Run(h.shell(program)) }()
	select {
	case err := <-ended:
		if _, ok := errors.AsType[*ssh.ExitError](err); ok {
			return fmt.Errorf("%w%s", err, quoted(said.String()))
		}
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// quoted is what somebody said, as the end of a sentence.
func quoted(text string) string {
	text = strings.TrimSpace(text)
	if text == "" {
		return ""
	}
	first, _, _ := strings.Cut(text, "\n")
	return ": " + first
}
