package systemd

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
)

// drainLimit is how much of a health answer is read, in bytes.
const drainLimit = 64 << 10

// probeAll probes all addresses at once, each once.
func (s *Step) probeAll(ctx context.Context, h host, addresses []string) []error {
	results := make([]error, len(addresses))
	var wait sync.WaitGroup
	for i, address := range addresses {
		wait.Go(func() { results[i] = s.probe(ctx, h, address) })
	}
	wait.Wait()
	return results
}

// probe asks one instance whether it is healthy, from its own machine.
func (s *Step) probe(ctx context.Context, h host, address string) error {
	ctx, cancel := context.WithTimeout(ctx, s.settings.Health.Timeout.Std())
	defer cancel()
	if s.settings.Health.HTTP == "" && !s.settings.Health.TCP {
		return nil // it runs, which is all that is asked
	}
	if s.settings.Health.HTTP != "" {
		return h.get(ctx, "http://"+address+s.settings.Health.HTTP)
	}
	connection, err := h.machine.Dial(ctx, "tcp", address)
	if err != nil {
		return fmt.Errorf("connect to %s: %w", address, plain(err))
	}
	return connection.Close()
}

// dial connects as package http wants it.
func (h host) dial(ctx context.Context, network, address string) (net.Conn, error) {
	c, err := h.machine.Dial(ctx, network, address)
	if err != nil {
		return nil, err
	}
	connection, ok := c.(net.Conn)
	if !ok {
		return nil, errors.Join(fmt.Errorf("a connection to %s is not one of the network", address), c.Close())
	}
	return connection, nil
}

func (h host) get(ctx context.Context, url string) error {
	// A connection of its own: a kept one could belong to an instance that died.
	transport := &http.Transport{DisableKeepAlives: true, DialContext: h.dial}
	client := &http.Client{
		Transport:     transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
	if err != nil {
		return err
	}
	request.Header.Set("User-Agent", "ripcord")
	response, err := client.Do(request)
	if err != nil {
		return fmt.Errorf("GET %s: %w", url, plain(err))
	}
	_, err = io.Copy(io.Discard, io.LimitReader(response.Body, drainLimit))
	err = errors.Join(err, response.Body.Close())
	if response.StatusCode < 200 || response.StatusCode > 299 {
		return fmt.Errorf("GET %s answered %d", url, response.StatusCode)
	}
	return err
}

// plain is the innermost cause, without the repetition of the address.
func plain(err error) error {
	if timeout, ok := errors.AsType[net.Error](err); ok && timeout.Timeout() {
		return errors.New("no answer in time")
	}
	if op, ok := errors.AsType[*net.OpError](err); ok {
		return op.Err
	}
	return err
}
