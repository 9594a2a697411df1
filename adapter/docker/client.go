package docker

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/ripcord-dev/ripcord"
	"github.com/ripcord-dev/ripcord/adapter/internal/service"
)

// newest is the newest version of the Engine API that this package was written
// for, oldest the first that has all of it.
const (
	newest = "1.51"
	oldest = "1.41"
)

// answerLimit is how much of an answer is read, in bytes.
const answerLimit = 32 << 20

// engine is the Docker engine of one machine.
type engine struct {
	client  *http.Client
	machine ripcord.Machine
	socket  string
	version string
}

// connect finds out which version the engine speaks. Its error is of CodeRefused:
// who cannot be asked cannot run anything.
func connect(ctx context.Context, machine ripcord.Machine, socket string) (*engine, error) {
	dial := service.DialerOf(machine)
	e := &engine{machine: machine, socket: socket}
	e.client = &http.Client{Transport: &http.Transport{
		DisableKeepAlives: true, // calls are few, and a kept connection would outlive the engine
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return dial(ctx, "unix", socket)
		},
	}}
	response, err := e.send(ctx, http.MethodGet, "/_ping", nil, nil, nil)
	if err != nil {
		return nil, err
	}
	if err := response.Body.Close(); err != nil {
		return nil, err
	}
	e.version = response.Header.Get("Api-Version")
	if !speaks(e.version, oldest) {
		return nil, ripcord.Errorf(ripcord.CodeRefused, "the Docker engine%s speaks version %q of its API, and %s is needed", e.where(), e.version, oldest).
			WithFix("update it to Docker 20.10 or newer")
	}
	if speaks(e.version, newest) {
		e.version = newest
	}
	return e, nil
}

// where is " on machine NAME", or nothing for this one.
func (e *engine) where() string {
	if name := e.machine.Name(); name != "" {
		return " on machine " + name
	}
	return ""
}

// speaks reports whether a version of the API is at least another one.
func speaks(version, least string) bool {
	number := func(text string) (major, minor int, ok bool) {
		first, second, pair := strings.Cut(text, ".")
		major, errFirst := strconv.Atoi(first)
		minor, errSecond := strconv.Atoi(second)
		return major, minor, pair && errFirst == nil && errSecond == nil
	}
	major, minor, ok := number(version)
	leastMajor, leastMinor, _ := number(least)
	return ok && (major > leastMajor || major == leastMajor && minor >= leastMinor)
}

// call asks the engine; into takes the answer's JSON and may be nil.
func (e *engine) call(ctx context.Context, method, path string, query url.Values, body, into any) error {
	response, err := e.send(ctx, method, path, query, nil, body)
	if err != nil {
		return err
	}
	data, err := io.ReadAll(io.LimitReader(response.Body, answerLimit))
	err = errors.Join(err, response.Body.Close())
	if err != nil {
		return &unreachableError{err: err, engine: e}
	}
	if into == nil || len(data) == 0 {
		return nil
	}
	if err := json.Unmarshal(data, into); err != nil {
		return fmt.Errorf("the engine's answer to %s %s: %w", method, path, err)
	}
	return nil
}

// send returns the answer of a call that went well; its body must be closed.
func (e *engine) send(ctx context.Context, method, path string, query url.Values, header http.Header, body any) (*http.Response, error) {
	var content io.Reader = http.NoBody
	if body != nil {
		data, err := json.Marshal(body)
		if err != nil {
			return nil, err
		}
		content = bytes.NewReader(data)
	}
	at := "http://docker" + path
	if e.version != "" {
		at = "http://docker/v" + e.version + path
	}
	if len(query) > 0 {
		at += "?" + query.Encode()
	}
	request, err := http.NewRequestWithContext(ctx, method, at, content)
	if err != nil {
		return nil, err
	}
	for name := range header {
		request.Header.Set(name, header.Get(name))
	}
	request.Header.Set("User-Agent", "ripcord")
	if body != nil {
		request.Header.Set("Content-Type", "application/json")
	}
	response, err := e.client.Do(request)
	if err != nil {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		return nil, &unreachableError{err: err, engine: e}
	}
	if response.StatusCode < 200 || response.StatusCode > 399 {
		return nil, refusal(response)
	}
	return response, nil
}
