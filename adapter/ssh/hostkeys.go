package ssh

import (
	"crypto/ed25519"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"slices"
	"strings"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/knownhosts"

	"github.com/ripcord-dev/ripcord"
)

// hostKeys decides which host key of one machine is right.
type hostKeys struct {
	machine, address string
	files            []string
	check            ssh.HostKeyCallback
	known            []knownhosts.KnownKey
}

// readHostKeys reads the files that exist, at each connection anew: a person who
// mends them need not start anything again.
func readHostKeys(machine, address string, files []string) (*hostKeys, error) {
	k := &hostKeys{machine: machine, address: address, files: files}
	var there []string
	for _, file := range files {
		if _, err := os.Stat(file); err == nil {
			there = append(there, file)
		} else if !errors.Is(err, fs.ErrNotExist) {
			return nil, trouble(ErrUnknownHost, machine, "make it readable for this user", "%v", err)
		}
	}
	var err error
	if k.check, err = knownhosts.New(there...); err != nil {
		return nil, trouble(ErrUnknownHost, machine, "mend or remove that line", "%v", err)
	}
	// Any key will do to ask which ones would be right.
	probe, err := ssh.NewPublicKey(ed25519.PublicKey(make([]byte, ed25519.PublicKeySize)))
	if err != nil {
		return nil, err
	}
	if wrong, ok := errors.AsType[*knownhosts.KeyError](k.check(address, &net.TCPAddr{}, probe)); ok {
		k.known = wrong.Want
	}
	return k, nil
}

// algorithms are those that the server is to show a key of: the ones that
// known_hosts holds. Asked for anything else, a server shows another of its keys,
// which would look like a changed one. Nil asks for anything.
func (k *hostKeys) algorithms() []string {
	var certified, plain []string
	for _, known := range k.known {
		if authority(known) {
			certified = []string{
				ssh.CertAlgoED25519v01, ssh.CertAlgoECDSA256v01, ssh.CertAlgoECDSA384v01, ssh.CertAlgoECDSA521v01,
				ssh.CertAlgoRSASHA512v01, ssh.CertAlgoRSASHA256v01,
			}
			continue
		}
		switch kind := known.Key.Type(); kind {
		case ssh.KeyAlgoRSA:
			plain = append(plain, ssh.KeyAlgoRSASHA512, ssh.KeyAlgoRSASHA256)
		default:
			plain = append(plain, kind)
		}
	}
	all := append(certified, plain...)
	return slices.Compact(all) // several keys of a kind lie side by side, as a rule
}

// authority reports whether a line of known_hosts names a certificate authority.
func authority(known knownhosts.KnownKey) bool {
	data, err := os.ReadFile(known.Filename)
	if err != nil {
		return false
	}
	lines := strings.Split(string(data), "\n")
	return known.Line >= 1 && known.Line <= len(lines) && strings.HasPrefix(strings.TrimSpace(lines[known.Line-1]), "@cert-authority")
}

// verify is the callback that the handshake asks.
func (k *hostKeys) verify(address string, remote net.Addr, key ssh.PublicKey) error {
	err := k.check(address, remote, key)
	if err == nil {
		return nil
	}
	shown := key.Type() + " " + ssh.FingerprintSHA256(key)
	if revoked, ok := errors.AsType[*knownhosts.RevokedError](err); ok {
		return trouble(ErrChangedKey, k.machine, "do not trust it: give the machine a new host key, then put that one into known_hosts",
			"it shows the host key %s, which %s:%d revokes", shown, revoked.Revoked.Filename, revoked.Revoked.Line)
	}
	wrong, ok := errors.AsType[*knownhosts.KeyError](err)
	switch {
	case ok && len(wrong.Want) > 0:
		return k.changed(shown, wrong.Want[0])
	case ok && len(k.known) == 0:
		return k.unknown(shown, key)
	case ok:
		return k.changed(shown, k.known[0])
	case strings.HasSuffix(err.Error(), "revoked"):
		return trouble(ErrChangedKey, k.machine, "do not trust it: have the host's key signed by another authority, and put that one into known_hosts",
			"its host certificate, or who signed it, is revoked in %s", list(k.files))
	default: // a certificate that is wrong in itself
		return trouble(ErrChangedKey, k.machine, "have the host's certificate signed again", "its host certificate is not valid: %v", err)
	}
}

// unknown is the error of a machine that nobody vouched for yet.
func (k *hostKeys) unknown(shown string, key ssh.PublicKey) *ripcord.Error {
	file := "~/.ssh/known_hosts"
	if len(k.files) > 0 {
		file = k.files[0]
	}
	host, port, _ := net.SplitHostPort(k.address)
	scan := fmt.Sprintf("ssh-keyscan -p %s -t %s %s >> %s", port, scanName(key), host, file)
	return trouble(ErrUnknownHost, k.machine,
		fmt.Sprintf("compare the fingerprint with what `ssh-keygen -lf /etc/ssh/ssh_host_%s_key.pub` prints on the machine itself; when they are equal: `%s`", scanName(key), scan),
		"the host key of %s is not in %s; it shows %s", k.address, list(k.files), shown)
}

// changed is the error of a machine that shows another key than before.
func (k *hostKeys) changed(shown string, want knownhosts.KnownKey) *ripcord.Error {
	name := knownhosts.Normalize(k.address)
	return trouble(ErrChangedKey, k.machine,
		fmt.Sprintf("somebody may stand in between: find out whether the machine was installed anew; only if so, `ssh-keygen -R '%s' -f %s`, and add its new key as for a new machine", name, want.Filename),
		"the host key of %s has changed: it shows %s, but %s:%d holds %s", k.address, shown, want.Filename, want.Line, want.Key.Type()+" "+ssh.FingerprintSHA256(want.Key))
}

// scanName is the key's type as ssh-keyscan calls it.
func scanName(key ssh.PublicKey) string {
	switch kind := key.Type(); {
	case strings.Contains(kind, "ed25519"):
		return "ed25519"
	case strings.Contains(kind, "ecdsa"):
		return "ecdsa"
	default:
		return "rsa"
	}
}

func list(files []string) string {
	if len(files) == 0 {
		return "any known_hosts file"
	}
	return strings.Join(files, " or ")
}
