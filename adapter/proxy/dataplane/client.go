package dataplane

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/ripcord-dev/ripcord"
)

// ErrNotRunning says that no proxy answers for the directory.
var ErrNotRunning = errors.New("the proxy is not running")

// ErrConflict says that the command does not fit the proxy's state, for example because
// somebody else changed it.
var ErrConflict = errors.New("the proxy refused")

// ErrNotReady is an ErrConflict that may pass by itself: nothing on the side can
// answer at this moment.
var ErrNotReady = fmt.Errorf("%w for now", ErrConflict)

const (
	// commandPatience is how long a proxy may take to answer a command other
	// than a drain.
	commandPatience = 10 * time.Second
	drainPath       = "/drain"
)

// Client leads the proxy of one directory.
type Client struct {
	dir  string
	http *http.Client
}

// NewClient returns a client for the proxy that works in dir. It touches
// nothing yet; the proxy may start later.
func NewClient(dir string) *Client {
	c := &Client{dir: dir}
	c.http = &http.Client{Transport: &http.Transport{DisableKeepAlives: true, DialContext: c.dial}}
	return c
}

// dial finds the control socket through the file that names it.
func (c *Client) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	path, err := os.ReadFile(filepath.Join(c.dir, addrFile))
	if err != nil {
		return nil, err
	}
	var d net.Dialer
	return d.DialContext(ctx, "unix", strings.TrimSpace(string(path)))
}

// Status returns the proxy's state and what it sees.
func (c *Client) Status(ctx context.Context) (Status, error) {
	return call[Status](ctx, c, http.MethodGet, "/state", nil)
}

// PutSide adds or replaces a side; ErrConflict where that one has the route.
func (c *Client) PutSide(ctx context.Context, s Side) (Status, error) {
	return call[Status](ctx, c, http.MethodPut, "/side/"+s.Name, s)
}

// DeleteSide removes a side; one that is gone is no error.
func (c *Client) DeleteSide(ctx context.Context, name string) (Status, error) {
	return call[Status](ctx, c, http.MethodDelete, "/side/"+name, nil)
}

// SetRoute changes the route; ErrConflict where the revision is not the state's,
// ErrNotReady where nothing is ready.
func (c *Client) SetRoute(ctx context.Context, change RouteChange) (Status, error) {
	return call[Status](ctx, c, http.MethodPut, "/route", change)
}

// Rotate takes targets out of rotation, or puts them back.
func (c *Client) Rotate(ctx context.Context, r Rotation) (Status, error) {
	return call[Status](ctx, c, http.MethodPut, "/rotation", r)
}

// Drain waits until the side, or the targets, are unused.
func (c *Client) Drain(ctx context.Context, d DrainRequest) (Drained, error) {
	return call[Drained](ctx, c, http.MethodPost, drainPath, d)
}

// Stats returns the counters.
func (c *Client) Stats(ctx context.Context) (Stats, error) {
	return call[Stats](ctx, c, http.MethodGet, "/stats", nil)
}

// Stamp returns the proxy's stamp, nil when it has none.
func (c *Client) Stamp(ctx context.Context) (*ripcord.Stamp, error) {
	return call[*ripcord.Stamp](ctx, c, http.MethodGet, "/stamp", nil)
}

// SetStamp writes the proxy's stamp.
func (c *Client) SetStamp(ctx context.Context, s ripcord.Stamp) error {
	_, err := call[ripcord.Stamp](ctx, c, http.MethodPut, "/stamp", s)
	return err
}

// call makes one command. Only a proxy that cannot be reached, or is gone before
// it has told what it was asked, is ErrNotRunning.
func call[T any](ctx context.Context, c *Client, method, path string, body any) (result T, err error) {
	if path != drainPath {
		limited, cancel := context.WithTimeout(ctx, commandPatience)
		defer cancel()
		ctx = limited
	}
	var data []byte
	if body != nil {
		if data, err = json.Marshal(body); err != nil {
			return result, err
		}
	}
	request, err := http.NewRequestWithContext(ctx, method, "http://proxy"+path, bytes.NewReader(data))
	if err != nil {
		return result, err
	}
	response, err := c.http.Do(request)
	if errors.Is(err, os.ErrDeadlineExceeded) || errors.Is(err, context.DeadlineExceeded) {
		<-ctx.Done() // the socket's clock may be a moment ahead, and callers ask the context why
	}
	if err != nil {
		return result, c.silent(method, err)
	}
	defer func() { _ = response.Body.Close() }()
	if response.StatusCode != http.StatusOK {
		return result, refusal(response)
	}
	if err := json.NewDecoder(response.Body).Decode(&result); err != nil {
		return result, c.silent(method, err)
	}
	return result, nil
}

// silent explains why there was no answer. A proxy that dies while it is asked
// something does not run; one that dies while it is told something may have obeyed.
func (c *Client) silent(method string, err error) error {
	gone := errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ECONNREFUSED)
	died := errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE)
	if gone || died && method == http.MethodGet {
		return fmt.Errorf("%w (%s)", ErrNotRunning, c.dir)
	}
	return fmt.Errorf("control socket of the proxy: %w", err)
}

func refusal(response *http.Response) error {
	const limit = 64 << 10
	data, _ := io.ReadAll(io.LimitReader(response.Body, limit))
	var r reply
	if json.Unmarshal(data, &r) != nil || r.Error == "" {
		r.Error = "the proxy answered " + response.Status
	}
	switch response.StatusCode {
	case http.StatusConflict, http.StatusNotFound:
		return fmt.Errorf("%w: %s", ErrConflict, r.Error)
	case http.StatusServiceUnavailable:
		return fmt.Errorf("%w: %s", ErrNotReady, r.Error)
	}
	return errors.New(r.Error)
}
