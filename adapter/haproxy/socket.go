package haproxy

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"time"
)

const (
	askTimeout  = 5 * time.Second
	answerLimit = 16 << 20 // in bytes
	batchLimit  = 8 << 10  // in bytes; HAProxy reads a command into one buffer of 16 KiB
)

// client speaks to the Runtime API: a command on a line, the answer until
// HAProxy closes the connection.
type client struct{ path string }

// errNoAnswer is the kind of an error where HAProxy could not be asked at all.
var errNoAnswer = errors.New("HAProxy does not answer")

// ask sends one line and returns the whole answer.
func (c client) ask(ctx context.Context, command string) (string, error) {
	if strings.ContainsAny(command, "\n\r") {
		return "", errors.New("a command of more than one line")
	}
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	var dialer net.Dialer
	conn, err := dialer.DialContext(ctx, "unix", c.path)
	if errors.Is(err, os.ErrDeadlineExceeded) || errors.Is(err, context.DeadlineExceeded) {
		<-ctx.Done() // the socket's clock may be a moment ahead, and callers ask the context why
	}
	if err != nil {
		return "", fmt.Errorf("%w on %s: %w", errNoAnswer, c.path, err)
	}
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() }) // ends a read that hangs
	defer func() {
		if stop() {
			_ = conn.Close() // everything was read
		}
	}()
	if _, err := io.WriteString(conn, command+"\n"); err != nil {
		return "", fmt.Errorf("%w on %s: %w", errNoAnswer, c.path, err)
	}
	data, err := io.ReadAll(io.LimitReader(conn, answerLimit))
	if err != nil {
		return "", fmt.Errorf("%w on %s: %w", errNoAnswer, c.path, errors.Join(ctx.Err(), err))
	}
	return string(data), nil
}

// command is one change and what its answer may be beside nothing.
type command struct {
	text string
	fine []string
}

// refusedError is HAProxy's refusal of a change.
type refusedError struct{ command, answer string }

func (e *refusedError) Error() string {
	return fmt.Sprintf("HAProxy refuses `%s`: %s", e.command, e.answer)
}

// do makes one change.
func (c client) do(ctx context.Context, cmd command) error {
	answer, err := c.ask(ctx, cmd.text)
	if err != nil {
		return err
	}
	answer = strings.TrimSpace(answer)
	if answer == "" {
		return nil
	}
	for _, fine := range cmd.fine {
		if strings.Contains(answer, fine) {
			return nil
		}
	}
	return &refusedError{command: cmd.text, answer: strings.Join(strings.Fields(answer), " ")}
}

// together makes changes that say nothing, as many on one line as fit, so that
// as little time as possible passes between them.
func (c client) together(ctx context.Context, changes []string) error {
	for len(changes) > 0 {
		n, size := 0, 0
		for n < len(changes) && (n == 0 || size+len(changes[n]) < batchLimit) {
			size += len(changes[n]) + 1
			n++
		}
		if err := c.do(ctx, command{text: strings.Join(changes[:n], ";")}); err != nil {
			return err
		}
		changes = changes[n:]
	}
	return nil
}
