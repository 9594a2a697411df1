package health

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strings"
	"time"

	"github.com/ripcord-dev/ripcord"
)

// Asker makes questions of settings.
type Asker struct {
	Scope ripcord.Scope
	Step  ripcord.StepID
	// Environ gives the executor's own environment, for commands.
	Environ func() []string
	// Dial connects to addresses; nil does it from here.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
}

// dial connects.
func (k Asker) dial(ctx context.Context, network, address string) (net.Conn, error) {
	if k.Dial != nil {
		return k.Dial(ctx, network, address)
	}
	var d net.Dialer
	return d.DialContext(ctx, network, address)
}

// Question is one thing to ask, again and again.
type Question struct {
	// Name is what is asked, without secrets: a URL, an address, a command.
	Name string
	// Ask returns nil when all is well, else an AnswerError. It returns at the latest
	// after the settings' AttemptTimeout.
	Ask func(ctx context.Context) error
}

// AnswerError is a bad answer.
type AnswerError struct {
	// Text says in one line what was wrong.
	Text string
	// Lines quote what was answered.
	Lines []string
	err   error
}

// Error returns the line.
func (a *AnswerError) Error() string { return a.Text }

// Unwrap returns what the system said.
func (a *AnswerError) Unwrap() error { return a.err }

// sameEnd reports whether the whole ends when the part does.
func sameEnd(whole, part context.Context) bool {
	end, limited := whole.Deadline()
	partEnd, _ := part.Deadline()
	return limited && end.Equal(partEnd)
}

// Questions returns one question, or one for each target. The settings must be
// complete, and without references to other steps.
func (k Asker) Questions(s Settings) ([]Question, error) {
	timed := func(name string, ask func(context.Context) error) Question {
		return Question{Name: name, Ask: func(ctx context.Context) error {
			limited, cancel := context.WithTimeout(ctx, s.AttemptTimeout.Std())
			defer cancel()
			err := ask(limited)
			var late net.Error
			if errors.As(err, &late) && late.Timeout() && sameEnd(ctx, limited) {
				<-ctx.Done() // the network notices the end of everything a moment before the context does
			}
			if err != nil && ctx.Err() == nil && (errors.Is(limited.Err(), context.DeadlineExceeded) || errors.As(err, &late) && late.Timeout()) {
				return &AnswerError{Text: fmt.Sprintf("no answer within %s", s.AttemptTimeout), err: err}
			}
			return err
		}}
	}
	if s.Targets == "" {
		name, ask := k.question(s)
		return []Question{timed(name, ask)}, nil
	}
	var all []Question
	for target := range strings.SplitSeq(s.Targets, ",") {
		target = strings.TrimSpace(target)
		if target == "" {
			continue
		}
		if _, _, err := net.SplitHostPort(target); err != nil {
			return nil, &ripcord.Failure{Class: ripcord.FailedTarget, Final: true, Summary: fmt.Sprintf("the target %q is not an address like 127.0.0.1:8080", target)}
		}
		name, ask := k.question(s.at(target))
		all = append(all, timed(name, ask))
	}
	if len(all) == 0 {
		return nil, &ripcord.Failure{Class: ripcord.FailedTarget, Final: true, Summary: "there is no target to ask: targets is empty"}
	}
	return all, nil
}

// question is what is asked, and how.
func (k Asker) question(s Settings) (name string, ask func(context.Context) error) {
	switch {
	case s.Command != nil:
		return strings.Join(script(s.Command), " "), func(ctx context.Context) error { return k.command(ctx, s) }
	case s.SQL != nil:
		return s.SQL.name(), func(ctx context.Context) error { return k.sql(ctx, s) }
	case s.GRPC != nil:
		return s.GRPC.Address, func(ctx context.Context) error { return k.grpc(ctx, s, s.GRPC.Address) }
	case s.HTTP != "":
		return s.HTTP, func(ctx context.Context) error { return k.http(ctx, s, s.HTTP) }
	}
	return s.TCP, func(ctx context.Context) error { return k.tcp(ctx, s.TCP) }
}

// at are the settings for one target.
func (s *Settings) at(target string) Settings {
	of := *s
	return of.forTarget(target)
}

// forTarget sets what one target is asked.
func (s *Settings) forTarget(target string) Settings {
	fill := strings.NewReplacer("${instance.address}", target, "${instance.port}", target[strings.LastIndexByte(target, ':')+1:])
	s.Targets = ""
	switch {
	case s.Command != nil:
		words := make([]string, len(s.Command))
		for i, word := range s.Command {
			words[i] = fill.Replace(word)
		}
		s.Command = words
	case s.SQL != nil:
		s.SQL = new(*s.SQL)
		s.SQL.URL = fill.Replace(s.SQL.URL)
	case s.GRPC != nil:
		s.GRPC = new(*s.GRPC)
		s.GRPC.Address = target
	case s.Path != "":
		s.HTTP = "http://" + target + s.Path
	default:
		s.TCP = target
	}
	return *s
}

func (k Asker) tcp(ctx context.Context, address string) error {
	address, secrets, err := k.expand(ctx, address)
	if err != nil {
		return err
	}
	c, err := k.dial(ctx, "tcp", address)
	if err != nil {
		return bad(err, secrets)
	}
	return c.Close()
}

func (k Asker) expand(ctx context.Context, text string) (expanded string, secrets []string, err error) {
	if !strings.Contains(text, "${secret:") || k.Scope.Secrets == nil {
		return text, nil, nil
	}
	expanded, secrets, err = k.Scope.Secrets.Expand(ctx, text)
	if err != nil {
		return "", nil, &AnswerError{Text: "a secret is not to be had: " + err.Error(), err: err}
	}
	return expanded, secrets, nil
}

// bad is an answer of the system's: in few words, without secrets.
func bad(err error, secrets []string) *AnswerError {
	if outer, ok := errors.AsType[*url.Error](err); ok {
		err = outer.Err
	}
	text := err.Error()
	if op, ok := errors.AsType[*net.OpError](err); ok && op.Err != nil {
		text = op.Op + ": " + op.Err.Error()
	}
	if dns, ok := errors.AsType[*net.DNSError](err); ok {
		text = "the name " + dns.Name + " is not known"
	}
	return &AnswerError{Text: hide(text, secrets), err: err}
}

func hide(text string, secrets []string) string {
	for _, secret := range secrets {
		if secret != "" {
			text = strings.ReplaceAll(text, secret, "***")
		}
	}
	return text
}

// Pause waits; it returns false when the context ended first.
func Pause(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return ctx.Err() == nil
	case <-ctx.Done():
		return false
	}
}
