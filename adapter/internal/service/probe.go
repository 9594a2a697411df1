package service

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"

	"github.com/ripcord-dev/ripcord"
)

// drainLimit is how much of a health answer is read, in bytes.
const drainLimit = 64 << 10

// Dialer connects to an address.
type Dialer func(ctx context.Context, network, address string) (net.Conn, error)

// DialerOf connects as seen from a machine.
func DialerOf(machine ripcord.Machine) Dialer {
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		c, err := machine.Dial(ctx, network, address)
		if err != nil {
			return nil, err
		}
		connection, ok := c.(net.Conn)
		if !ok {
			return nil, errors.Join(fmt.Errorf("a connection to %s is not one of the network", address), c.Close())
		}
		return connection, nil
	}
}

// ProbeAll probes all addresses at once, each once.
func (h *Health) ProbeAll(ctx context.Context, dial Dialer, addresses []string) []error {
	results := make([]error, len(addresses))
	var wait sync.WaitGroup
	for i, address := range addresses {
		wait.Go(func() { results[i] = h.Probe(ctx, dial, address) })
	}
	wait.Wait()
	return results
}

// Probe asks one instance whether it is healthy. Of one that nobody said how to
// ask, it is enough that it runs.
func (h *Health) Probe(ctx context.Context, dial Dialer, address string) error {
	if h.silent() {
		return ctx.Err()
	}
	if h.HTTP == "" && !h.TCP {
		return h.ask(ctx, dial, address)
	}
	ctx, cancel := context.WithTimeout(ctx, h.Timeout.Std())
	defer cancel()
	if h.HTTP != "" {
		return get(ctx, dial, "http://"+address+h.HTTP)
	}
	connection, err := dial(ctx, "tcp", address)
	if err != nil {
		return fmt.Errorf("connect to %s: %w", address, plain(err))
	}
	return connection.Close()
}

// ask asks in another way than over HTTP or TCP.
func (h *Health) ask(ctx context.Context, dial Dialer, address string) error {
	asker := h.asker
	asker.Dial = dial
	set := h.question(address)
	if err := set.Complete("health"); err != nil {
		return err
	}
	questions, err := asker.Questions(set)
	if err != nil {
		return err
	}
	for _, q := range questions {
		if err := q.Ask(ctx); err != nil {
			return fmt.Errorf("%s: %w", q.Name, err)
		}
	}
	return nil
}

func get(ctx context.Context, dial Dialer, url string) error {
	// A connection of its own: a kept one could belong to an instance that died.
	transport := &http.Transport{DisableKeepAlives: true, DialContext: dial}
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
