package dockerd

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/ripcord-dev/ripcord/adapter/adaptertest/child"
)

// Engine is a running dockerd.
type Engine struct {
	// Socket is where it listens.
	Socket string

	folder string
	args   []string
	client *http.Client
	exited <-chan struct{}
	pid    int
}

// patience is how long an engine may take to start or stop.
const patience = time.Minute

// Start starts the engine of these tests; there is one for each test binary. It
// may only be called inside.
func Start(args ...string) (*Engine, error) {
	if Folder() == "" {
		return nil, errors.New("TestMain does not call dockerd.Main")
	}
	e := &Engine{Socket: filepath.Join(Folder(), "docker.sock"), folder: Folder(), args: args}
	e.client = &http.Client{Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, "unix", e.Socket)
		},
	}}
	return e, e.Again()
}

// Again starts the engine that was stopped or killed.
func (e *Engine) Again(args ...string) error {
	at := func(name string) string { return filepath.Join(e.folder, name) }
	log, err := os.OpenFile(at("log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	all := append([]string{
		"--data-root", at("data"), "--exec-root", at("exec"), "-H", "unix://" + e.Socket, "--pidfile", at("pid"),
		"--cgroup-parent", "/" + filepath.Base(e.folder),
	}, append(e.args, args...)...)
	c := exec.CommandContext(context.Background(), "/usr/sbin/dockerd", all...) //nolint:gosec // the engine under test
	c.Env = append(os.Environ(), "PATH=/usr/sbin:/usr/bin:/sbin:/bin")
	c.Stdout, c.Stderr = log, log
	e.exited, err = child.Start(c, syscall.SIGKILL) // how it ends stands in its log
	if err := errors.Join(err, log.Close()); err != nil {
		return err
	}
	e.pid = c.Process.Pid
	end := time.NewTimer(patience)
	defer end.Stop()
	pause := time.NewTicker(50 * time.Millisecond)
	defer pause.Stop()
	for {
		if _, err := e.Ask(http.MethodGet, "/_ping", nil); err == nil {
			return nil
		}
		select {
		case <-e.exited:
			return fmt.Errorf("dockerd ended\n%s", e.Log())
		case <-end.C:
			return fmt.Errorf("dockerd does not answer\n%s", e.Log())
		case <-pause.C:
		}
	}
}

// Stop ends the engine in order: without live-restore, its containers as well.
func (e *Engine) Stop() error { return e.end(syscall.SIGTERM) }

// Kill ends the engine at once.
func (e *Engine) Kill() error {
	err := e.end(syscall.SIGKILL)
	_ = os.Remove(filepath.Join(e.folder, "pid"))
	return err
}

func (e *Engine) end(signal syscall.Signal) error {
	if err := syscall.Kill(e.pid, signal); err != nil {
		return err
	}
	end := time.NewTimer(patience)
	defer end.Stop()
	select {
	case <-e.exited:
		return nil
	case <-end.C:
		return errors.New("dockerd does not end")
	}
}

// Log is what the engine said.
func (e *Engine) Log() string {
	text, err := os.ReadFile(filepath.Join(e.folder, "log"))
	if err != nil {
		return err.Error()
	}
	return string(text)
}

// Ask calls the engine's API; a body is sent as JSON, or as it is when it is an
// io.Reader.
func (e *Engine) Ask(method, path string, body any) ([]byte, error) {
	var content io.Reader = http.NoBody
	kind := "application/json"
	switch given := body.(type) {
	case nil:
	case io.Reader:
		content, kind = given, "application/x-tar"
	default:
		raw, err := json.Marshal(body)
		if err != nil {
			return nil, err
		}
		content = bytes.NewReader(raw)
	}
	request, err := http.NewRequestWithContext(context.Background(), method, "http://docker"+path, content)
	if err != nil {
		return nil, err
	}
	request.Header.Set("Content-Type", kind)
	response, err := e.client.Do(request)
	if err != nil {
		return nil, err
	}
	data, err := io.ReadAll(response.Body)
	if err := errors.Join(err, response.Body.Close()); err != nil {
		return nil, err
	}
	if response.StatusCode > 399 || strings.Contains(string(data), `"errorDetail"`) {
		return data, fmt.Errorf("%s %s: %d: %s", method, path, response.StatusCode, data)
	}
	return data, nil
}
