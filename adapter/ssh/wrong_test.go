package ssh_test

import (
	"context"
	"crypto/rand"
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	cryptossh "golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/knownhosts"

	"github.com/ripcord-dev/ripcord"
	"github.com/ripcord-dev/ripcord/adapter/adaptertest/sshd"
	"github.com/ripcord-dev/ripcord/adapter/ssh"
)

// refusal is the error of a machine that cannot be used.
func refusal(t *testing.T, o ssh.Options, spec ripcord.MachineSpec) *ripcord.Error {
	t.Helper()
	_, err := machineOf(t, o, spec).Run(t.Context(), ripcord.MachineCommand{Args: []string{"true"}})
	refused, ok := errors.AsType[*ripcord.Error](err)
	if !ok {
		t.Fatalf("it was not refused in plain words: %v", err)
	}
	t.Logf("%s\n  fix: %s", refused, refused.Fix)
	return refused
}

func rewrite(t *testing.T, path string, change func(string) string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	changed := filepath.Join(t.TempDir(), filepath.Base(path))
	if err := os.WriteFile(changed, []byte(change(string(text))), 0o600); err != nil {
		t.Fatal(err)
	}
	return changed
}

// TestHostKeys: what known_hosts says decides, in every form that it can take.
func TestHostKeys(t *testing.T) {
	t.Parallel()
	s := sshd.Start(t, sshd.Options{HostKeys: []string{"ed25519", "ecdsa", "rsa"}})
	other := sshd.Start(t, sshd.Options{HostKeys: []string{"ecdsa"}})
	stranger, err := sshd.WriteKey(filepath.Join(t.TempDir(), "key"))
	if err != nil {
		t.Fatal(err)
	}
	swap := strings.NewReplacer(knownhosts.Normalize(other.Address), knownhosts.Normalize(s.Address))
	only := func(kind string) func(string) string {
		return func(text string) string {
			for line := range strings.Lines(text) {
				if strings.Contains(line, kind) {
					return line
				}
			}
			return ""
		}
	}
	tests := []struct {
		name   string
		file   string
		change func(string) string
		want   error
		fix    string
	}{
		{"as it is", s.KnownHosts, func(text string) string { return text }, nil, ""},
		// Asked for nothing in particular, the server would show its ed25519 key.
		{"only the ecdsa key", s.KnownHosts, only("ecdsa-"), nil, ""},
		{"only the rsa key", s.KnownHosts, only("ssh-rsa"), nil, ""},
		{"hashed", s.KnownHosts, func(text string) string {
			return strings.ReplaceAll(text, knownhosts.Normalize(s.Address), knownhosts.HashHostname(knownhosts.Normalize(s.Address)))
		}, nil, ""},
		{"empty", s.KnownHosts, func(string) string { return "" }, ssh.ErrUnknownHost, "ssh-keyscan -p "},
		{"changed", other.KnownHosts, swap.Replace, ssh.ErrChangedKey, "ssh-keygen -R '[127.0.0.1]:"},
		{"of a kind that it has no more", s.KnownHosts, func(string) string {
			return knownhosts.Normalize(other.Address) + " " + string(cryptossh.MarshalAuthorizedKey(stranger))
		}, ssh.ErrChangedKey, "ssh-keygen -R"},
		{"revoked", s.KnownHosts, func(text string) string { return text + "@revoked * " + strings.SplitN(text, " ", 2)[1] }, ssh.ErrChangedKey, "new host key"},
		{"no known_hosts", s.KnownHosts + "-none", nil, ssh.ErrUnknownHost, "ssh-keyscan"},
		{"broken", s.KnownHosts, func(string) string { return "127.0.0.1 ssh-ed25519 ???\n" }, ssh.ErrUnknownHost, "that line"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			spec := specOf(s)
			if strings.HasPrefix(test.name, "of a kind") {
				spec = specOf(other)
			}
			spec.KnownHosts = []string{test.file}
			if test.change != nil {
				spec.KnownHosts = []string{rewrite(t, test.file, test.change)}
			}
			if test.want == nil {
				output(t, machineOf(t, calm(), spec), ripcord.MachineCommand{Args: []string{"true"}})
				return
			}
			if refused := refusal(t, calm(), spec); !errors.Is(refused, test.want) || !strings.Contains(refused.Fix, test.fix) || !strings.Contains(refused.Message, "app1") {
				t.Errorf("%v, fix %q", refused, refused.Fix)
			}
		})
	}
}

// certificate signs a key file's public twin and writes what is to be beside it.
func certificate(t *testing.T, authority, path, out string, kind uint32, principals ...string) {
	t.Helper()
	private, err := os.ReadFile(authority)
	if err != nil {
		t.Fatal(err)
	}
	signer, err := cryptossh.ParsePrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	public, err := os.ReadFile(path + ".pub")
	if err != nil {
		t.Fatal(err)
	}
	key, _, _, _, err := cryptossh.ParseAuthorizedKey(public)
	if err != nil {
		t.Fatal(err)
	}
	cert := &cryptossh.Certificate{
		Key: key, CertType: kind, ValidPrincipals: principals, ValidBefore: cryptossh.CertTimeInfinity,
		Permissions: cryptossh.Permissions{Extensions: map[string]string{"permit-port-forwarding": ""}},
	}
	if kind == cryptossh.HostCert {
		cert.Extensions = nil
	}
	if err := cert.SignCert(rand.Reader, signer); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(out, cryptossh.MarshalAuthorizedKey(cert), 0o600); err != nil {
		t.Fatal(err)
	}
}

// TestCertificates: an authority vouches for the host, and another one for us.
func TestCertificates(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	authority, mine := filepath.Join(dir, "authority"), filepath.Join(dir, "mine")
	public, err := sshd.WriteKey(authority)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := sshd.WriteKey(mine); err != nil {
		t.Fatal(err)
	}
	if _, err := sshd.WriteKey(filepath.Join(dir, "host")); err != nil {
		t.Fatal(err)
	}
	certificate(t, authority, filepath.Join(dir, "host"), filepath.Join(dir, "host-cert.pub"), cryptossh.HostCert, "127.0.0.1")
	certificate(t, authority, mine, mine+"-cert.pub", cryptossh.UserCert, "root")
	s := sshd.Start(t, sshd.Options{
		HostKeys: []string{"rsa", "ecdsa"},
		Config: "HostKey " + filepath.Join(dir, "host") + "\nHostCertificate " + filepath.Join(dir, "host-cert.pub") +
			"\nTrustedUserCAKeys " + authority + ".pub",
	})
	known := filepath.Join(dir, "known_hosts")
	line := string(cryptossh.MarshalAuthorizedKey(public))
	if err := os.WriteFile(known, []byte("@cert-authority [127.0.0.1]:* "+line), 0o600); err != nil {
		t.Fatal(err)
	}
	_, port, err := net.SplitHostPort(s.Address)
	if err != nil {
		t.Fatal(err)
	}
	exact := rewrite(t, known, func(text string) string { return strings.Replace(text, ":*", ":"+port, 1) })
	spec := ripcord.MachineSpec{SSH: "root@" + s.Address, Identity: []string{mine}, KnownHosts: []string{exact}}
	output(t, machineOf(t, calm(), spec), ripcord.MachineCommand{Args: []string{"true"}})
	spec.KnownHosts = []string{rewrite(t, exact, func(text string) string {
		return text + "@revoked * " + line
	})}
	if refused := refusal(t, calm(), spec); !errors.Is(refused, ssh.ErrChangedKey) {
		t.Errorf("a revoked authority: %v", refused)
	}
}

// TestLogin: each way in, and each way to be refused.
func TestLogin(t *testing.T) {
	t.Parallel()
	s := sshd.Start(t, sshd.Options{})
	dir := t.TempDir()
	stranger := filepath.Join(dir, "stranger")
	if _, err := sshd.WriteKey(stranger); err != nil {
		t.Fatal(err)
	}
	locked := filepath.Join(dir, "locked")
	lock(t, s.Key, locked, "open sesame")
	spec := specOf(s)
	for _, test := range []struct {
		name, identity, passphrase string
		agent                      string
		want                       error
		text, fix                  string
	}{
		{"key", s.Key, "", "", nil, "", ""},
		{"locked key", locked, "open sesame", "", nil, "", ""},
		{"agent", "", "", agentWith(t, s.Key), nil, "", ""},
		{"right key in the agent", stranger, "", agentWith(t, s.Key), nil, "", ""},
		{"stranger", stranger, "", "", ssh.ErrRefused, "refuses the login of root", "authorized_keys of root"},
		{"no key", "", "", "", ssh.ErrRefused, "no key at all", "authorized_keys"},
		{"dead agent", "", "", filepath.Join(dir, "none"), ssh.ErrRefused, "does not answer", ""},
		{"key that is gone", filepath.Join(dir, "gone"), "", "", ssh.ErrRefused, "no such file", "correct identity"},
		{"no passphrase", locked, "", "", ssh.ErrRefused, "", "add `passphrase"},
		{"wrong passphrase", locked, "wrong", "", ssh.ErrRefused, "", "correct the secret"},
		{"no private key", s.Key + ".pub", "", "", ssh.ErrRefused, "", "private key file"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			o, spec := calm(), spec
			o.Agent, spec.Passphrase, spec.Identity = test.agent, test.passphrase, nil
			if test.identity != "" {
				spec.Identity = []string{test.identity}
			}
			if test.want == nil {
				output(t, machineOf(t, o, spec), ripcord.MachineCommand{Args: []string{"true"}})
				return
			}
			refused := refusal(t, o, spec)
			if !errors.Is(refused, test.want) || !strings.Contains(refused.Message, test.text) || !strings.Contains(refused.Fix, test.fix) {
				t.Errorf("%v, fix %q", refused, refused.Fix)
			}
		})
	}
}

// TestUnreachable: nobody there, nobody of that name, and somebody who is no SSH
// server or says nothing at all.
func TestUnreachable(t *testing.T) {
	t.Parallel()
	listen := func(t *testing.T, serve func(net.Conn)) string {
		t.Helper()
		l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = l.Close() })
		go func() {
			for {
				conn, err := l.Accept()
				if err != nil {
					return
				}
				serve(conn)
			}
		}()
		return l.Addr().String()
	}
	gone, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_ = gone.Close()
	for _, test := range []struct{ name, server, text string }{
		{"nobody", gone.Addr().String(), "nothing listens there"},
		{"no such name", "no-such-host.invalid:22", "no host of that name"},
		{"silent", listen(t, func(c net.Conn) { t.Cleanup(func() { _ = c.Close() }) }), "no answer within 2s"},
		{"hangs up", listen(t, func(c net.Conn) { _ = c.Close() }), "hangs up"},
		{"no SSH", listen(t, func(c net.Conn) { _, _ = c.Write([]byte("HTTP/1.1 400 Bad Request\r\n\r\n")); _ = c.Close() }), ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			o := calm()
			o.ConnectTimeout = 2e9
			refused := refusal(t, o, ripcord.MachineSpec{SSH: "root@" + test.server})
			if !errors.Is(refused, ssh.ErrUnreachable) || !strings.Contains(refused.Message, test.text) || refused.Fix == "" {
				t.Errorf("%v", refused)
			}
		})
	}
}

func TestServer(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"deploy@10.0.0.5:22": "deploy 10.0.0.5:22", "deploy@app1": "deploy app1:22", "app1:2222": " app1:2222",
		"a@[::1]:22": "a [::1]:22", "a@::1": "a [::1]:22", "a@b@c": "a@b c:22",
		"": "!", "@host": "!", "a@": "!", "a@host:0": "!", "a@host:x": "!", "a b@host": "!", "a@-oProxyCommand": "!", "a@h:1:2": "!",
	} {
		user, address, err := ssh.Server(text)
		got := user + " " + address
		if err != nil {
			got = "!"
		}
		if got != want {
			t.Errorf("%q is %q, not %q (%v)", text, got, want, err)
		}
	}
}

func TestMachines(t *testing.T) {
	t.Parallel()
	pool := ssh.NewPool(calm())
	m := pool.Machines(map[string]ripcord.MachineSpec{
		"a": {SSH: "a", Jump: "b"}, "b": {SSH: "b", Jump: "a"}, "c": {SSH: "c", Jump: "none"}, "d": {SSH: "d e"},
	}, nil)
	for name, want := range map[string]string{"x": "no machine", "a": "back to itself", "c": "no machine", "d": "no SSH server"} {
		if _, err := m.Machine(context.Background(), name); err == nil || !strings.Contains(err.Error(), want) || ripcord.CodeOf(err) != ripcord.CodePlan {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := errors.Join(pool.Close(), pool.Close()); err != nil {
		t.Error(err)
	}
}
