package process

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
func (s *Step) probeAll(ctx context.Context, addresses []string) []error {
	results := make([]error, len(addresses))
	var wait sync.WaitGroup
	for i, address := range addresses {
		wait.Go(func() { results[i] = s.probe(ctx, address) })
	}
	wait.Wait()
	return results
}

// probe asks one instance whether it is healthy. Of one that nobody said how to
// ask, it is enough that it runs.
func (s *Step) probe(ctx context.Context, address string) error {
	if s.settings.Health.HTTP == "" && !s.settings.Health.TCP {
		return ctx.Err()
	}
	ctx, cancel := context.WithTimeout(ctx, s.settings.Health.Timeout.Std())
	defer cancel()
	if s.settings.Health.HTTP == "" {
		return connect(ctx, address)
	}
	return get(ctx, "http://"+address+s.settings.Health.HTTP)
}

func connect(ctx context.Context, address string) error {
	connection, err := (&net.Dialer{}).DialContext(ctx, "tcp", address)
	if err != nil {
		return fmt.Errorf("connect to %s: %w", address, plain(err))
	}
	return connection.Close()
}

func get(ctx context.Context, url string) error {
	// A connection of its own: a kept one could belong to an instance that died.
	transport := &http.Transport{DisableKeepAlives: true}
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
