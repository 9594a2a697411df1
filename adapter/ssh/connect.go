package ssh

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"syscall"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/ripcord-dev/ripcord"
)

// hangUps is how often a server may hang up before it has said anything: one with
// too many logins in progress (MaxStartups) does that at random.
const hangUps = 7

// connect logs in. Only one goroutine does it for a host at a time.
func (h *host) connect(ctx context.Context) (*connection, error) {
	limited, done := context.WithTimeout(ctx, h.options.ConnectTimeout)
	defer done()
	pause := 50 * time.Millisecond
	var before error
	for try := 1; ; try++ {
		client, err := h.logIn(limited)
		if err == nil {
			return h.add(client), nil
		}
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		if _, said := errors.AsType[*ripcord.Error](err); said {
			return nil, err
		}
		if limited.Err() != nil && before != nil {
			return nil, h.unreachable(before) // it tells more than that time is up
		}
		if !hungUp(err) || try == hangUps || limited.Err() != nil {
			return nil, h.unreachable(err)
		}
		before = err
		timer := time.NewTimer(pause)
		select {
		case <-timer.C:
		case <-limited.Done():
		}
		timer.Stop()
		pause *= 2
	}
}

// logIn makes one try.
func (h *host) logIn(ctx context.Context) (*ssh.Client, error) {
	files := h.spec.KnownHosts
	if len(files) == 0 {
		files = h.options.KnownHosts
	}
	keys, err := readHostKeys(h.name, h.address, files)
	if err != nil {
		return nil, err
	}
	mine, err := h.logins(ctx)
	if err != nil {
		return nil, err
	}
	defer mine.close()
	raw, leave, err := h.dial(ctx)
	if err != nil {
		return nil, err
	}
	defer leave()
	stop := context.AfterFunc(ctx, func() { _ = raw.Close() })
	defer stop()
	var wrongKey error
	conn, channels, requests, err := ssh.NewClientConn(raw, h.address, &ssh.ClientConfig{
		Config: ssh.Config{KeyExchanges: keyExchanges()},
		User:   h.user, Auth: []ssh.AuthMethod{ssh.PublicKeys(mine.signers...)}, HostKeyAlgorithms: keys.algorithms(),
		HostKeyCallback: func(address string, remote net.Addr, key ssh.PublicKey) error {
			wrongKey = keys.verify(address, remote, key)
			return wrongKey
		},
	})
	if err == nil {
		return ssh.NewClient(conn, channels, requests), nil
	}
	_ = raw.Close() // the handshake has failed already
	if wrongKey != nil {
		return nil, wrongKey
	}
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	return nil, h.refusal(err, keys, mine)
}

// keyExchanges are the ways to agree on a key, the best first: one that quantum computers do not
// break, then P-256 before Curve25519. Those are equally strong, and for the servers
// that know nothing newer (OpenSSH before 9.9) the first is cheaper by milliseconds.
func keyExchanges() []string {
	return []string{
		ssh.KeyExchangeMLKEM768X25519, ssh.KeyExchangeECDHP256, ssh.KeyExchangeCurve25519,
		ssh.KeyExchangeECDHP384, ssh.KeyExchangeECDHP521, ssh.KeyExchangeDH14SHA256,
		ssh.InsecureKeyExchangeDH14SHA1,
	}
}

// dial reaches the server, through the jump host where there is one.
func (h *host) dial(ctx context.Context) (raw net.Conn, leave func(), err error) {
	var through *connection
	if h.jump != nil {
		if through, err = h.jump.any(ctx); err != nil {
			return nil, nil, err
		}
	}
	if leave, err = h.pool.startup(ctx, h.jumped()+h.address); err != nil {
		return nil, nil, err
	}
	if through != nil {
		raw, err = through.client.DialContext(ctx, "tcp", h.address)
	} else {
		raw, err = (&net.Dialer{}).DialContext(ctx, "tcp", h.address)
	}
	if err != nil {
		leave()
		return nil, nil, err
	}
	return raw, leave, nil
}

func (h *host) jumped() string {
	if h.jump == nil {
		return ""
	}
	return h.jump.name + "/"
}

// refusal says why the server did not let us in. An error that it cannot put into
// words is returned as it is.
func (h *host) refusal(err error, keys *hostKeys, mine *login) error {
	if _, ok := errors.AsType[*ssh.AlgorithmNegotiationError](err); ok && len(keys.known) > 0 && strings.Contains(err.Error(), "host key") {
		want := keys.known[0]
		return keys.changed("no key of that kind any more", want)
	}
	text := err.Error()
	if !strings.Contains(text, "unable to authenticate") && !strings.Contains(text, "Too many authentication failures") && !strings.Contains(text, "no supported methods remain") {
		return err
	}
	fix := fmt.Sprintf("add the public key to ~%s/.ssh/authorized_keys there, or name the right one with identity; `ssh -v %s@%s` shows what the server says", h.user, h.user, h.address)
	if host, port, err := net.SplitHostPort(h.address); err == nil {
		fix = fmt.Sprintf("add the public key to the authorized_keys of %s there, or name the right one with identity; `ssh -v -p %s %s@%s` shows more", h.user, port, h.user, host)
	}
	if strings.Contains(text, "Too many") {
		fix = "name the one right key with identity: the server gives up after a few wrong ones (MaxAuthTries)"
	}
	return trouble(ErrRefused, h.name, fix, "%s refuses the login of %s; tried: %s", h.address, h.user, mine.shown())
}

// hungUp reports whether the server closed the connection without a word.
func hungUp(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE) ||
		strings.Contains(err.Error(), "Exceeded MaxStartups")
}

// unreachable says why nobody answers as a server should.
func (h *host) unreachable(err error) error {
	via := ""
	if h.jump != nil {
		via = " through machine " + h.jump.name
	}
	host, port, _ := net.SplitHostPort(h.address)
	fix := fmt.Sprintf("is the machine on, and does its SSH server listen on port %s? `nc -vz %s %s` tries it", port, host, port)
	what := err.Error()
	var dns *net.DNSError
	switch {
	case errors.As(err, &dns):
		what, fix = "there is no host of that name", "correct the name in ssh"
	case errors.Is(err, syscall.ECONNREFUSED):
		what = "nothing listens there"
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, os.ErrDeadlineExceeded):
		what = fmt.Sprintf("no answer within %s", h.options.ConnectTimeout)
	case hungUp(err):
		what = "the server hangs up before the login"
		fix = "is that an SSH server? if it is, look at its log: too many logins at once (MaxStartups), or this address is not welcome"
	}
	return trouble(ErrUnreachable, h.name, fix, "%s cannot be reached%s: %s", h.address, via, what)
}
