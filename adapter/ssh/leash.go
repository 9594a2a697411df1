package ssh

import (
	"fmt"
	"io"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/ripcord-dev/ripcord"
)

// start is what the machine's shell is asked to execute, always: no secret is in it.
// The line that follows on standard input says what to do.
const start = `'IFS= read -r ripcord_line && eval "$ripcord_line"'`

// shell is how a login shell of any kind runs a program, which is a quoted word with
// its arguments behind it.
func (h *host) shell(program string) string {
	if h.spec.Sudo {
		return "exec sudo -n -H /bin/sh -c " + program
	}
	return "exec /bin/sh -c " + program
}

// A leash that cannot do its work ends with leashStatus after a line that begins
// with leashWord. Its first line says who leads the process group.
const (
	leashStatus = 125
	leashWord   = "ripcord-leash: "
)

// leash is a command's standard input: signs of life go over it, and its end is
// the command's. The library writes and closes it from one goroutine only.
type leash struct {
	lock  sync.Mutex
	input io.WriteCloser
}

// Write waits for a peer that does not read.
func (l *leash) Write(p []byte) (int, error) {
	l.lock.Lock()
	defer l.lock.Unlock()
	return l.input.Write(p)
}

// Close waits for a Write.
func (l *leash) Close() error {
	l.lock.Lock()
	defer l.lock.Unlock()
	return l.input.Close()
}

// line is the program that the machine's shell runs: it makes sure that what
// follows leads a process group, lets a watcher hold the leash, and becomes the
// command. Standard input is the leash; input, when not empty, is a file that the
// command reads instead, and which is removed.
//
// sshd gives each command a session of its own, so the shell leads the group that
// the watcher kills; or sudo does, which stays beside its command. The watcher reads one line at a time and gives up when none
// came for a while: `timeout` bounds a read in a shell that cannot do it itself.
// When its leash ends and the command's leader is gone already, the command has
// ended in peace.
func line(c ripcord.MachineCommand, input string, silence time.Duration) string {
	var b strings.Builder
	var env []string
	opening(&b, func() {
		if c.Dir != "" {
			add(&b, `cd -- %s 2>/dev/null || ripcord_say "its folder "%s" cannot be entered"`, quote(c.Dir), quote(c.Dir))
		}
		for _, variable := range c.Env {
			// Not by the program env, whose words everybody can see for a moment.
			if name, value, _ := strings.Cut(variable, "="); variableName.MatchString(name) {
				add(&b, `export %s=%s`, name, quote(value))
			} else {
				env = append(env, quote(variable))
			}
		}
		add(&b, `command -v %s >/dev/null || ripcord_say "it has no program "%s`, quote(c.Args[0]), quote(c.Args[0]))
	})
	if input != "" {
		add(&b, `exec <%s || exit %d; rm -f -- %s`, quote(input), leashStatus, quote(input))
	}
	fmt.Fprintf(&b, `{ while timeout %d /bin/sh -c "IFS= read -r b"; do :; done; kill -0 "$ripcord_g" && kill -s KILL -- "-$ripcord_g"; } <&3 3<&- >/dev/null 2>&1 & exec 3<&-; exec `, int(silence.Seconds()))
	if env != nil {
		b.WriteString("env " + strings.Join(env, " ") + " ")
	}
	for _, word := range c.Args {
		b.WriteString(quote(word) + " ")
	}
	return b.String()
}

// quote makes one word of the shell, on one line, out of any text without NUL.
func quote(text string) string {
	return "'" + strings.NewReplacer("'", `'\''`, "\n", `'"$ripcord_n"'`).Replace(text) + "'"
}

// leader is who leads a command's process group.
type leader struct{ pid, started uint64 }

// parseLeader reads the leash's first line, without its word.
func parseLeader(text string) (l leader, ok bool) {
	pid, started, ok := strings.Cut(strings.TrimRight(text, "\r\n"), " ")
	if !ok {
		return l, false
	}
	var errPID, errStarted error
	l.pid, errPID = strconv.ParseUint(pid, 10, 31)
	l.started, errStarted = strconv.ParseUint(started, 10, 64)
	return l, errPID == nil && errStarted == nil && l.pid > 1
}

// burial is a shell's program that ends what is left of a process group, and succeeds
// when nothing is. A number that belongs to another process by now is let alone; as long
// as somebody is in the group, no other process gets the number.
func (l leader) burial() string {
	return fmt.Sprintf(`'i=0; while [ $i -lt 40 ]; do `+
		`if read -r _ _ _ _ g _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ s _ </proc/%[1]d/stat 2>/dev/null && [ "$s" != %[2]d ]; then exit 0; fi; `+
		`kill -s KILL -- -%[1]d 2>/dev/null || exit 0; i=$((i+1)); sleep 0.05; done; exit 1'`, l.pid, l.started)
}
