package ssh

import (
	"net"
	"strconv"
	"strings"
	"time"

	"github.com/ripcord-dev/ripcord"
)

// Options are what a Pool may be told. Only Now must be set.
type Options struct {
	// User logs in where a machine names none.
	User string
	// Agent is the path of the SSH agent's socket; empty uses none.
	Agent string
	// KnownHosts are the files for machines that name none.
	KnownHosts []string
	// Identity are the key files for machines that name none. Those that do not
	// exist are passed over.
	Identity []string
	// Now is the clock.
	Now func() time.Time

	// ConnectTimeout limits connecting and logging in; 0 is 15 s.
	ConnectTimeout time.Duration
	// Beat is the time between two signs of life; 0 is 4 s.
	Beat time.Duration
	// Silence is after how much time without a sign of life the other side
	// counts as gone, here and there; 0 is 20 s. It is rounded up to seconds.
	Silence time.Duration
	// Sessions is how many commands share a connection; 0 is 10, which is what
	// sshd allows by itself (MaxSessions).
	Sessions int
	// Connections is how many connections one machine may have; 0 is 4.
	Connections int
	// Connecting is how many connections are made at once, and ConnectingEach
	// how many to one server: 0 is 64 and 8, below sshd's MaxStartups.
	Connecting, ConnectingEach int
}

func (o Options) filled() Options {
	set := func(d *time.Duration, value time.Duration) {
		if *d <= 0 {
			*d = value
		}
	}
	count := func(n *int, value int) {
		if *n <= 0 {
			*n = value
		}
	}
	set(&o.ConnectTimeout, 15*time.Second)
	set(&o.Beat, 4*time.Second)
	set(&o.Silence, 20*time.Second)
	o.Silence = (o.Silence + time.Second - 1).Truncate(time.Second)
	count(&o.Sessions, 10)
	count(&o.Connections, 4)
	count(&o.Connecting, 64)
	count(&o.ConnectingEach, 8)
	return o
}

// Server splits "user@host:port" into the user, empty where there is none, and
// the address with its port. The error is one of CodePlan.
func Server(text string) (user, address string, err error) {
	wrong := func() error {
		return ripcord.Errorf(ripcord.CodePlan, "%q is no SSH server", text).
			WithFix("write USER@HOST or USER@HOST:PORT, for example deploy@10.0.0.5:22")
	}
	rest := text
	if at := strings.LastIndex(text, "@"); at >= 0 {
		user, rest = text[:at], text[at+1:]
		if user == "" {
			return "", "", wrong()
		}
	}
	host, port, err := net.SplitHostPort(rest)
	if err != nil {
		host, port = strings.TrimSuffix(strings.TrimPrefix(rest, "["), "]"), "22"
		if strings.Contains(host, ":") && net.ParseIP(host) == nil {
			return "", "", wrong()
		}
	}
	number, err := strconv.ParseUint(port, 10, 16)
	if host == "" || strings.ContainsAny(text, " \t\r\n\x00") || err != nil || number == 0 || strings.HasPrefix(host, "-") {
		return "", "", wrong()
	}
	return user, net.JoinHostPort(host, port), nil
}
