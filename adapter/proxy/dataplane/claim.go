package dataplane

import (
	"context"
	"encoding/json"
	"net"
	"os"
	"time"

	"github.com/ripcord-dev/ripcord"
)

// Claim is what a proxy tells everybody on the machine about its address.
type Claim struct {
	Listen    string         `json:"listen"`
	Directory string         `json:"directory"`
	PID       int            `json:"pid"`
	Stamp     *ripcord.Stamp `json:"stamp,omitempty"`
}

func claimName(listen string) string { return "@ripcord/proxy/" + listen }

// serveClaim answers each connection to the address's abstract socket with a
// Claim. It tells, and takes no commands.
func (p *Proxy) serveClaim(listener net.Listener, listen string) {
	const patience = 10 * time.Second
	for {
		conn, err := listener.Accept()
		if err != nil {
			return
		}
		_ = conn.SetDeadline(p.now().Add(patience))
		_ = json.NewEncoder(conn).Encode(Claim{Listen: listen, Directory: p.dir, PID: os.Getpid(), Stamp: p.Stamp()})
		_ = conn.Close()
	}
}

// ReadClaim returns what the proxy says that listens on the address, whatever
// its state directory; nil when no proxy does.
func ReadClaim(ctx context.Context, listen string) *Claim {
	const patience = 10 * time.Second
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	var d net.Dialer
	conn, err := d.DialContext(ctx, "unix", claimName(listen))
	if err != nil {
		return nil
	}
	defer func() { _ = conn.Close() }()
	stop := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(longAgo()) })
	defer stop()
	claim := new(Claim)
	if err := json.NewDecoder(conn).Decode(claim); err != nil {
		return nil
	}
	return claim
}
