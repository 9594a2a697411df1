package source

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/ripcord-dev/ripcord"
)

// largest is the size in bytes that an answer may have.
const largest = 8 << 20

// Question is one request to a metrics system.
type Question struct {
	// URL may hold references.
	URL string
	// Form makes it a POST; nil is a GET.
	Form url.Values
	// Accept are statuses whose answers are read beside 200.
	Accept []int
}

// Answer is what came back.
type Answer struct {
	Status int
	Body   []byte
}

// Ask asks once. The error says in one line why there is no answer: it holds no
// secret, and no part of the URL beyond the host.
func (s *Settings) Ask(ctx context.Context, f *Filler, q Question) (Answer, error) {
	request, err := s.request(ctx, f, q)
	if err != nil {
		return Answer{}, err
	}
	client := s.client()
	host := f.Clean(request.URL.Host)
	response, err := client.Do(request)
	if err != nil {
		return Answer{}, s.silent(ctx, f, host, err)
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(response.Body, largest+1))
	switch {
	case err != nil:
		return Answer{}, s.silent(ctx, f, host, err)
	case len(body) > largest:
		return Answer{}, fmt.Errorf("%s answers with more than %d MiB", host, largest>>20)
	}
	a := Answer{Status: response.StatusCode, Body: body}
	if a.Status == http.StatusOK || slices.Contains(q.Accept, a.Status) {
		return a, nil
	}
	return Answer{}, fmt.Errorf("%s answers %d%s", host, a.Status, excerpt(f, response, body))
}

// excerpt is what an answer that nobody wanted says.
func excerpt(f *Filler, response *http.Response, body []byte) string {
	if to := response.Header.Get("Location"); to != "" {
		return " and leads elsewhere; give the final address"
	}
	const longest = 500 // bytes
	text := f.Clean(string(body[:min(len(body), longest)]))
	if text == "" || strings.HasPrefix(text, "<") {
		return ""
	}
	return ": " + text
}

func (s *Settings) request(ctx context.Context, f *Filler, q Question) (*http.Request, error) {
	at, err := f.Fill(ctx, q.URL)
	if err != nil {
		return nil, err
	}
	method, body := http.MethodGet, io.Reader(http.NoBody)
	if q.Form != nil {
		method, body = http.MethodPost, strings.NewReader(q.Form.Encode())
	}
	request, err := http.NewRequestWithContext(ctx, method, at, body)
	if err != nil || request.URL.Host == "" { // the error quotes the address
		return nil, errors.New("the address, with its references replaced, is none")
	}
	if q.Form != nil {
		request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	request.Header.Set("Accept", "application/json")
	for name, value := range s.Headers {
		if value, err = f.Fill(ctx, value); err != nil {
			return nil, err
		}
		if strings.EqualFold(name, "Host") {
			request.Host = value
		}
		request.Header.Set(name, value)
	}
	return request, nil
}

// client makes a connection for each question: seconds lie between two of them,
// and nothing is left open when nobody asks any more.
func (s *Settings) client() *http.Client {
	timeout := s.Timeout.Std()
	return &http.Client{
		Timeout: timeout,
		Transport: &http.Transport{
			Proxy: nil, DisableKeepAlives: true,
			DialContext:         (&net.Dialer{Timeout: timeout}).DialContext,
			TLSHandshakeTimeout: timeout, MaxResponseHeaderBytes: 64 << 10,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// silent says why there was no answer.
func (s *Settings) silent(ctx context.Context, f *Filler, host string, err error) error {
	if ctx.Err() != nil {
		return fmt.Errorf("%s has not answered in time: %w", host, ctx.Err())
	}
	if timeout, ok := errors.AsType[net.Error](err); ok && timeout.Timeout() {
		return fmt.Errorf("%s has not answered within %s", host, s.Timeout)
	}
	if wrapped, ok := errors.AsType[*url.Error](err); ok { // it quotes all of the address
		err = wrapped.Err
	}
	return fmt.Errorf("%s does not answer: %s", host, f.Clean(err.Error()))
}

// Both reads the two sides at the same time. The first error counts.
func Both(sides ripcord.Sides, read func(ripcord.Side) (ripcord.Arm, error)) (newer, older ripcord.Arm, err error) {
	done := make(chan error, 1)
	go func() {
		var err error
		older, err = read(sides.Old)
		done <- err
	}()
	newer, err = read(sides.New)
	if other := <-done; err == nil {
		err = other
	}
	return newer, older, err
}
