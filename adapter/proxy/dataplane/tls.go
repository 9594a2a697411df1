package dataplane

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"strings"
	"syscall"
	"time"

	"github.com/ripcord-dev/ripcord"
)

// tlsInterval is how often the files of a certificate are looked at.
const tlsInterval = time.Second

// keyPair is a certificate with its key, as read from files.
type keyPair struct {
	spec TLS
	// files tells whether the files have changed since.
	files string
	// certificate is nil where the files cannot be used.
	certificate *tls.Certificate
	problem     string
}

// Usable reports why a listener cannot serve with the certificate and key: a
// file is missing, they do not belong together, or the certificate is not valid
// at the time. It reads both files.
func (t TLS) Usable(now time.Time) error {
	_, err := readPair(t, now)
	return err
}

// readPair reads the files. An error comes with a pair without a certificate,
// except when only its dates are wrong.
func readPair(t TLS, now time.Time) (*keyPair, error) {
	pair := &keyPair{spec: t, files: signature(t)}
	fail := func(fix, format string, args ...any) (*keyPair, error) {
		err := ripcord.Errorf(ripcord.CodeRefused, format, args...).WithFix("%s", fix)
		pair.problem = err.Error()
		return pair, err
	}
	for what, path := range map[string]string{"certificate": t.Certificate, "key": t.Key} {
		if _, err := os.ReadFile(path); errors.Is(err, fs.ErrNotExist) { //nolint:gosec // the plan names the file
			return fail("put the file there, or correct tls."+what, "the %s %s does not exist", what, path)
		} else if err != nil {
			return fail("let this user read it", "the %s cannot be read: %w", what, err)
		}
	}
	certificate, err := tls.LoadX509KeyPair(t.Certificate, t.Key)
	if err != nil {
		if strings.Contains(err.Error(), "does not match") {
			return fail("name the key that the certificate was made with", "the key %s does not belong to the certificate %s", t.Key, t.Certificate)
		}
		return fail("both must be PEM files, the certificate's own first", "the certificate %s with the key %s cannot be used: %w", t.Certificate, t.Key, err)
	}
	pair.certificate = &certificate
	leaf := certificate.Leaf
	switch {
	case now.After(leaf.NotAfter):
		return fail("renew it", "the certificate %s has expired on %s", t.Certificate, leaf.NotAfter.UTC().Format(time.RFC3339))
	case now.Before(leaf.NotBefore):
		return fail("wait, or set the clock", "the certificate %s is not valid before %s", t.Certificate, leaf.NotBefore.UTC().Format(time.RFC3339))
	}
	return pair, nil
}

// signature changes when one of the files does.
func signature(t TLS) string {
	var b strings.Builder
	for _, path := range []string{t.Certificate, t.Key} {
		info, err := os.Stat(path)
		if err != nil {
			_, _ = fmt.Fprintln(&b, err)
			continue
		}
		_, _ = fmt.Fprintln(&b, info.Size(), info.ModTime().UnixNano(), inode(info))
	}
	return b.String()
}

func inode(info fs.FileInfo) uint64 {
	if s, ok := info.Sys().(*syscall.Stat_t); ok {
		return s.Ino
	}
	return 0
}

// prepareTLS makes the certificate ready for a front. With force one that cannot
// be used is taken as well: going back must not fail for it.
func (p *Proxy) prepareTLS(t *TLS, force bool) error {
	if t == nil {
		return nil
	}
	if now := p.pair.Load(); now != nil && now.spec == *t && now.certificate != nil {
		return nil
	}
	pair, err := readPair(*t, p.now())
	if err != nil && !force {
		return err
	}
	p.pair.Store(pair)
	return nil
}

// watchTLS reads the certificate again when its files have changed. One that
// cannot be used does not replace one that can.
func (p *Proxy) watchTLS(ctx context.Context) {
	ticker := time.NewTicker(tlsInterval)
	defer ticker.Stop()
	complained := ""
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		pair := p.pair.Load()
		if p.table.Load().tls == nil || pair == nil || signature(pair.spec) == pair.files && pair.certificate != nil {
			continue
		}
		next, err := readPair(pair.spec, p.now())
		if err != nil {
			if complained != err.Error() {
				complained = err.Error()
				p.log.ErrorContext(ctx, "the changed certificate is not used", slog.String("error", complained))
			}
			continue
		}
		complained = ""
		if p.pair.CompareAndSwap(pair, next) {
			p.log.InfoContext(ctx, "certificate read", slog.Time("valid_until", next.certificate.Leaf.NotAfter))
		}
	}
}

// CertificateStatus is what a listener for HTTPS serves with.
type CertificateStatus struct {
	Names    []string  `json:"names,omitempty"`
	NotAfter time.Time `json:"not_after,omitzero"`
	// Problem says why it cannot be used; empty is fine.
	Problem string `json:"problem,omitempty"`
}

func (p *Proxy) certificateStatus() *CertificateStatus {
	pair := p.pair.Load()
	if p.table.Load().tls == nil || pair == nil {
		return nil
	}
	status := &CertificateStatus{Problem: pair.problem}
	if pair.certificate != nil {
		status.Names, status.NotAfter = namesOf(pair.certificate.Leaf), pair.certificate.Leaf.NotAfter.UTC()
	}
	return status
}

func namesOf(c *x509.Certificate) []string {
	names := append([]string(nil), c.DNSNames...)
	for _, ip := range c.IPAddresses {
		names = append(names, ip.String())
	}
	return names
}

// secured serves TLS on the connections that come while the front says so.
type secured struct {
	net.Listener
	proxy  *Proxy
	config *tls.Config
}

func (p *Proxy) secure(l net.Listener) net.Listener {
	return &secured{Listener: l, proxy: p, config: &tls.Config{
		MinVersion: tls.VersionTLS12,
		NextProtos: []string{"h2", "http/1.1"},
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
			if pair := p.pair.Load(); pair != nil && pair.certificate != nil {
				return pair.certificate, nil
			}
			return nil, errors.New("there is no certificate that can be used")
		},
	}}
}

// Accept returns the next connection; its handshake follows later.
func (s *secured) Accept() (net.Conn, error) {
	c, err := s.Listener.Accept()
	if err != nil || s.proxy.table.Load().tls == nil {
		return c, err
	}
	return tls.Server(c, s.config), nil
}
