package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"sync"
	"time"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/knownhosts"
)

// atOnce is how many connections are made at once, which is what Ripcord does too.
const atOnce = 64

// plain runs `true` on each machine with nothing of Ripcord's in between: it logs in and
// opens one session. It returns the seconds that all of them took.
func (f *fleet) plain(ctx context.Context) (float64, error) {
	data, err := os.ReadFile(f.key)
	if err != nil {
		return 0, err
	}
	key, err := ssh.ParsePrivateKey(data)
	if err != nil {
		return 0, err
	}
	known, err := knownhosts.New(f.known)
	if err != nil {
		return 0, err
	}
	config := &ssh.ClientConfig{
		User: "root", Auth: []ssh.AuthMethod{ssh.PublicKeys(key)},
		Config:          ssh.Config{KeyExchanges: []string{ssh.KeyExchangeMLKEM768X25519, ssh.KeyExchangeECDHP256}}, // as Ripcord's
		HostKeyCallback: known, HostKeyAlgorithms: []string{ssh.KeyAlgoED25519},
	}
	places := make(chan struct{}, atOnce)
	errs := make([]error, len(f.addresses))
	var all sync.WaitGroup
	begin := time.Now()
	for i, address := range f.addresses {
		all.Go(func() {
			places <- struct{}{}
			defer func() { <-places }()
			errs[i] = one(ctx, fmt.Sprintf("%s:%d", address, f.port), config)
		})
	}
	all.Wait()
	return time.Since(begin).Seconds(), errors.Join(errs...)
}

func one(ctx context.Context, address string, config *ssh.ClientConfig) error {
	raw, err := (&net.Dialer{}).DialContext(ctx, "tcp", address)
	if err != nil {
		return err
	}
	conn, channels, requests, err := ssh.NewClientConn(raw, address, config)
	if err != nil {
		return errors.Join(err, raw.Close())
	}
	client := ssh.NewClient(conn, channels, requests)
	session, err := client.NewSession()
	if err == nil {
		err = session.Run("true")
	}
	return errors.Join(err, client.Close())
}
