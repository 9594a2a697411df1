package docker

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"strings"
	"syscall"

	"github.com/ripcord-dev/ripcord"
)

// refusedError is an engine that answers no.
type refusedError struct {
	status  int
	message string
}

// Error returns what the engine said.
func (e *refusedError) Error() string { return e.message }

// refusal reads an engine's no.
func refusal(response *http.Response) error {
	const messageLimit = 16 << 10
	data, err := io.ReadAll(io.LimitReader(response.Body, messageLimit))
	err = errors.Join(err, response.Body.Close())
	if err != nil {
		return err
	}
	var said struct {
		Message string `json:"message"`
	}
	if json.Unmarshal(data, &said) != nil || said.Message == "" {
		said.Message = fmt.Sprintf("the engine answers %d: %s", response.StatusCode, strings.TrimSpace(string(data)))
	}
	return &refusedError{status: response.StatusCode, message: strings.TrimSpace(said.Message)}
}

// answered reports whether the engine refused with a status.
func answered(err error, status int) bool {
	refused, ok := errors.AsType[*refusedError](err)
	return ok && refused.status == status
}

// unreachableError is an engine that does not answer at all.
type unreachableError struct {
	err    error
	engine *engine
}

// Error says why, in plain words.
func (e *unreachableError) Error() string {
	text, _ := e.plain()
	return text
}

// Unwrap returns what the system said.
func (e *unreachableError) Unwrap() error { return e.err }

func (e *unreachableError) plain() (text, fix string) {
	socket, where := e.engine.socket, e.engine.where()
	switch {
	case errors.Is(e.err, fs.ErrPermission):
		return fmt.Sprintf("the Docker engine%s may not be used by this user: no permission for %s", where, socket),
			"run ripcord as root, or add the user to the group docker (usermod -aG docker USER) and log in again"
	case errors.Is(e.err, fs.ErrNotExist):
		return fmt.Sprintf("there is no Docker engine%s: %s is missing", where, socket),
			"install Docker and start it (systemctl start docker), or name its socket with `socket`"
	case errors.Is(e.err, syscall.ECONNREFUSED):
		return fmt.Sprintf("the Docker engine%s is not running: nobody answers on %s", where, socket),
			"start it, for example with: systemctl start docker"
	}
	cause := e.err
	if outer, ok := errors.AsType[*url.Error](cause); ok {
		cause = outer.Err
	}
	return fmt.Sprintf("the Docker engine%s does not answer on %s: %v", where, socket, cause), "look at the engine, for example with: journalctl -u docker"
}

// away reports whether an error is that of an engine which may come back.
func away(err error) bool {
	_, ok := errors.AsType[*unreachableError](err)
	return ok && !errors.Is(err, fs.ErrPermission)
}

// refused is an error before the first effect, of a code.
func refused(err error, code ripcord.Code) error {
	gone, ok := errors.AsType[*unreachableError](err)
	if !ok {
		return err
	}
	text, fix := gone.plain()
	return ripcord.Errorf(code, "%s", text).WithFix("%s", fix)
}
