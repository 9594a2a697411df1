package ssh

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"strings"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/agent"
)

// login is what we show a machine to be let in.
type login struct {
	signers []ssh.Signer
	// tried says in words what there is, for who is refused.
	tried []string
	// closer ends the use of the agent, when there is one.
	closer io.Closer
}

// logins collects the keys: first those of the files, each after its certificate,
// then the agent's. A server gives up after a few wrong keys, so the most likely
// come first.
func (h *host) logins(ctx context.Context) (*login, error) {
	l := &login{}
	passphrase, err := h.passphrase(ctx)
	if err != nil {
		return nil, trouble(ErrRefused, h.name, "set the secret that passphrase names", "%v", err)
	}
	files, named := h.spec.Identity, true
	if len(files) == 0 {
		files, named = h.options.Identity, false
	}
	for _, file := range files {
		if err := l.file(file, passphrase); err != nil {
			if !named {
				continue // a usual place, which nobody asked for
			}
			l.close()
			return nil, trouble(ErrRefused, h.name, fixKey(err, file), "%v", err)
		}
	}
	l.agent(ctx, h.options.Agent)
	return l, nil
}

func (h *host) passphrase(ctx context.Context) (string, error) {
	if h.spec.Passphrase == "" || h.secrets == nil {
		return h.spec.Passphrase, nil
	}
	text, _, err := h.secrets.Expand(ctx, h.spec.Passphrase)
	return text, err
}

// file adds one key file and the certificate beside it.
func (l *login) file(path, passphrase string) error {
	data, err := os.ReadFile(path) //nolint:gosec // the plan names the file
	if err != nil {
		return err
	}
	signer, err := ssh.ParsePrivateKey(data)
	if _, locked := errors.AsType[*ssh.PassphraseMissingError](err); locked && passphrase != "" {
		signer, err = ssh.ParsePrivateKeyWithPassphrase(data, []byte(passphrase))
	}
	if err != nil {
		return fmt.Errorf("key file %s: %w", path, err)
	}
	certificate, err := readCertificate(path+"-cert.pub", signer)
	if err != nil {
		return err
	}
	if certificate != nil {
		l.signers = append(l.signers, certificate)
		l.tried = append(l.tried, path+"-cert.pub")
	}
	l.signers = append(l.signers, signer)
	l.tried = append(l.tried, path+" ("+ssh.FingerprintSHA256(signer.PublicKey())+")")
	return nil
}

// readCertificate reads the user certificate beside a key; nil where there is none.
func readCertificate(path string, signer ssh.Signer) (ssh.Signer, error) {
	data, err := os.ReadFile(path) //nolint:gosec // beside the file that the plan names
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	key, _, _, _, err := ssh.ParseAuthorizedKey(data)
	if err != nil {
		return nil, fmt.Errorf("certificate %s: %w", path, err)
	}
	certificate, ok := key.(*ssh.Certificate)
	if !ok {
		return nil, fmt.Errorf("certificate %s: it holds a key, not a certificate", path)
	}
	both, err := ssh.NewCertSigner(certificate, signer)
	if err != nil {
		return nil, fmt.Errorf("certificate %s: %w", path, err)
	}
	return both, nil
}

// agent adds the keys of the agent, where one answers.
func (l *login) agent(ctx context.Context, socket string) {
	if socket == "" {
		return
	}
	conn, err := (&net.Dialer{}).DialContext(ctx, "unix", socket)
	if err != nil {
		l.tried = append(l.tried, fmt.Sprintf("the agent at %s, which does not answer", socket))
		return
	}
	signers, err := agent.NewClient(conn).Signers()
	if err != nil {
		l.tried = append(l.tried, fmt.Sprintf("the agent at %s, which gives no keys: %v", socket, err))
		_ = conn.Close() // nothing was asked of it
		return
	}
	l.closer = conn
	l.signers = append(l.signers, signers...)
	l.tried = append(l.tried, fmt.Sprintf("%d keys of the agent at %s", len(signers), socket))
}

func (l *login) close() {
	if l.closer != nil {
		_ = l.closer.Close() // it was only read from
	}
}

// shown says what was tried.
func (l *login) shown() string {
	if len(l.tried) == 0 {
		return "no key at all: there is no key file and no agent"
	}
	return strings.Join(l.tried, ", ")
}

func fixKey(err error, file string) string {
	if _, locked := errors.AsType[*ssh.PassphraseMissingError](err); locked {
		return "add `passphrase: ${secret:NAME}` to the machine, or load the key into the agent (`ssh-add " + file + "`)"
	}
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return "correct identity, or put the key there"
	case strings.Contains(err.Error(), "decryption password incorrect"):
		return "correct the secret that passphrase names"
	default:
		return "name a private key file in OpenSSH's form (`ssh-keygen -t ed25519` makes one)"
	}
}
