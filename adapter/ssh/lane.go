package ssh

import (
	"context"
	"crypto/rand"
	"io"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/ripcord-dev/ripcord"
)

// idleLanes is how many lanes without a script a machine may have.
const idleLanes = 3

// lane is a session in which one script of ours runs after the other, because opening
// a session costs the machine more than most of them. Like a command it hangs on
// a leash, which all its scripts share.
type lane struct {
	running

	out, err stream
	lines    chan string
	// told is closed when it has its program, died when it has ended; over says how.
	told, died chan struct{}
	over       chan error
	// idleSince is when its last script ended; host.mu guards it.
	idleSince time.Time
	ending    sync.Once
}

// lane returns one without a script; used says that it has had others before.
func (h *host) lane(ctx context.Context) (l *lane, used bool, err error) {
	h.mu.Lock()
	if n := len(h.idle); n > 0 {
		l = h.idle[n-1]
		h.idle = h.idle[:n-1]
	}
	h.mu.Unlock()
	if l != nil {
		return l, true, nil
	}
	session, c, err := h.session(ctx)
	if err != nil {
		return nil, false, err
	}
	input, err := session.StdinPipe()
	if err != nil {
		_ = session.Close() // nothing was started in it
		h.leave(c)
		return nil, false, err
	}
	l = &lane{lines: make(chan string, 4), told: make(chan struct{}), over: make(chan error, 1), died: make(chan struct{})}
	l.running = running{host: h, session: session, connection: c, leash: &leash{input: input}, errors: &errorStream{to: &l.err}, output: &l.out}
	session.Stdout, session.Stderr = l.output, l.errors
	go l.live()
	go l.say()
	go l.beat()
	return l, false, nil
}

// live is the session, from its start to its end.
func (l *lane) live() {
	err := l.session.Start(l.host.laneStart())
	if err == nil {
		if _, err := io.WriteString(l.leash, laneProgram(l.host.options.Silence)+"\n"); err != nil {
			_ = l.session.Close() // without its line the shell ends
		}
		close(l.told)
		err = l.session.Wait()
	}
	l.over <- err
	close(l.died)
	l.rest(nil)
	_ = l.session.Close() // it has ended
	l.host.leave(l.connection)
}

// say writes the lines: a peer that does not read must not stop anybody else.
func (l *lane) say() {
	select {
	case <-l.told: // anything before it would be taken for the program
	case <-l.died:
		return
	}
	for {
		select {
		case line := <-l.lines:
			_, _ = io.WriteString(l.leash, line) // the end of the session tells more
		case <-l.died:
			return
		}
	}
}

// beat gives signs of life, and ends a lane that nobody has used for long.
func (l *lane) beat() {
	tick := time.NewTicker(l.host.options.Beat)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-l.died:
			return
		}
		l.sign(beat)
		l.rest(func(l *lane) bool {
			return l.host.options.Now().Sub(l.idleSince) < l.host.options.Silence
		})
	}
}

// sign says something that need not be said twice.
func (l *lane) sign(line string) {
	select {
	case l.lines <- line:
	default:
	}
}

// rest takes an idle lane out of use, unless it is to be kept.
func (l *lane) rest(keep func(l *lane) bool) {
	l.host.mu.Lock()
	defer l.host.mu.Unlock()
	at := slices.Index(l.host.idle, l)
	if at < 0 || keep != nil && keep(l) {
		return
	}
	l.host.idle = slices.Delete(l.host.idle, at, at+1)
	l.close()
}

// close ends the leash, and with it everything.
func (l *lane) close() {
	l.ending.Do(func() { go func() { _ = l.leash.Close() }() }) // it may wait for a peer that does not read
}

// spare keeps a lane for the next script.
func (l *lane) spare() {
	l.host.mu.Lock()
	defer l.host.mu.Unlock()
	select {
	case <-l.died:
		return
	default:
	}
	if len(l.host.idle) >= idleLanes {
		l.close()
		return
	}
	l.idleSince = l.host.options.Now()
	l.host.idle = append(l.host.idle, l)
	l.host.wake() // who waits for a session may end it
}

// run runs a script to its end. The lane is spare again, or it has ended.
func (l *lane) run(ctx context.Context, text string, c ripcord.MachineCommand) (ripcord.Exit, error) {
	mark, done := rand.Text(), make(chan string, 2)
	l.out.begin(mark, c.Output, done)
	l.err.begin(mark, c.Errors, done)
	l.exit = ripcord.Exit{StartedAt: l.host.options.Now()}
	select {
	case l.lines <- scriptLine(mark, text, c, l.host.carried()):
	case <-l.died:
	case <-ctx.Done():
		return l.stop(ctx, l.over)
	}
	looks := time.NewTicker(lookEach)
	defer looks.Stop()
	for ends := 0; ; {
		select {
		case status := <-done:
			if ends++; ends == 1 && status != statusDead { // the other stream ends as well
				continue
			}
			return l.finished(ctx, status)
		case err := <-l.over:
			if _, known, _ := l.errors.leash(); known {
				return l.gone(ctx, nil)
			}
			return l.ended(ctx, err)
		case <-looks.C:
			l.sign(look)
		case <-ctx.Done():
			return l.stop(ctx, l.over)
		}
	}
}

// lookEach is the time between two looks.
const lookEach = 250 * time.Millisecond

// finished reads what the mark says.
func (l *lane) finished(ctx context.Context, status string) (ripcord.Exit, error) {
	l.exit.EndedAt = l.host.options.Now()
	code, err := strconv.Atoi(status)
	if err != nil { // somebody killed the script, and others of it may still run
		l.close()
		return l.gone(ctx, nil)
	}
	l.exit.Code = code
	exit := l.exit
	l.spare()
	return exit, nil
}
