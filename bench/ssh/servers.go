package main

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/pem"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"golang.org/x/crypto/ssh"
)

// perServer is how many addresses one sshd listens on: it takes 16.
const perServer = 16

// fleet is a number of machines: as many loopback addresses, each answered by an sshd.
type fleet struct {
	dir, key, known string
	names           []string
	addresses       []string
	port            int
	servers         []*exec.Cmd
}

// newFleet starts sshd for as many machines. They share host key and user, and nothing
// else.
func newFleet(ctx context.Context, dir string, machines int) (*fleet, error) {
	f := &fleet{dir: dir, key: filepath.Join(dir, "id"), known: filepath.Join(dir, "known_hosts")}
	user, err := writeKey(f.key)
	if err != nil {
		return nil, err
	}
	host, err := writeKey(filepath.Join(dir, "host"))
	if err != nil {
		return nil, err
	}
	if f.port, err = freePort(ctx); err != nil {
		return nil, err
	}
	var known strings.Builder
	for i := range machines {
		address := fmt.Sprintf("127.1.%d.%d", i/200, i%200+1)
		f.names, f.addresses = append(f.names, fmt.Sprintf("m%03d", i+1)), append(f.addresses, address)
		fmt.Fprintf(&known, "[%s]:%d %s", address, f.port, ssh.MarshalAuthorizedKey(host))
	}
	home := filepath.Join(dir, "home")
	err = errors.Join(os.WriteFile(f.known, []byte(known.String()), 0o600),
		os.WriteFile(filepath.Join(dir, "authorized_keys"), ssh.MarshalAuthorizedKey(user), 0o600),
		os.Mkdir(home, 0o700), os.MkdirAll("/run/sshd", 0o755))
	if err != nil {
		return nil, err
	}
	for at := 0; at < machines; at += perServer {
		if err := f.serve(ctx, home, f.addresses[at:min(at+perServer, machines)]); err != nil {
			return f, err
		}
	}
	return f, nil
}

// serve starts one sshd and waits until it listens.
func (f *fleet) serve(ctx context.Context, home string, addresses []string) error {
	config := fmt.Sprintf(`Port %d
HostKey %s
AuthorizedKeysFile %s
PidFile none
StrictModes no
PermitRootLogin yes
PasswordAuthentication no
UsePAM no
MaxStartups 1000
SetEnv HOME=%s
`, f.port, filepath.Join(f.dir, "host"), filepath.Join(f.dir, "authorized_keys"), home)
	var listen strings.Builder
	for _, address := range addresses {
		listen.WriteString("ListenAddress " + address + "\n")
	}
	path := filepath.Join(f.dir, fmt.Sprintf("sshd_config-%d", len(f.servers)))
	if err := os.WriteFile(path, []byte(config+listen.String()), 0o600); err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, "/usr/sbin/sshd", "-D", "-e", "-f", path)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("sshd (apt-get install openssh-server): %w", err)
	}
	f.servers = append(f.servers, cmd)
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", fmt.Sprintf("%s:%d", addresses[len(addresses)-1], f.port))
		if err == nil {
			return conn.Close()
		}
	}
	return errors.New("sshd does not listen within 20 s")
}

// stop ends all servers.
func (f *fleet) stop() {
	for _, server := range f.servers {
		_ = server.Process.Kill()
		_ = server.Wait()
	}
}

func writeKey(path string) (ssh.PublicKey, error) {
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, err
	}
	block, err := ssh.MarshalPrivateKey(private, "bench")
	if err != nil {
		return nil, err
	}
	signer, err := ssh.NewSignerFromKey(private)
	if err != nil {
		return nil, err
	}
	return signer.PublicKey(), os.WriteFile(path, pem.EncodeToMemory(block), 0o600)
}

func freePort(ctx context.Context) (int, error) {
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	address, ok := l.Addr().(*net.TCPAddr)
	if err := l.Close(); err != nil || !ok {
		return 0, errors.Join(err, errors.New("no port is free"))
	}
	return address.Port, nil
}
