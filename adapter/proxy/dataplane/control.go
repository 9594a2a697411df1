package dataplane

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"

	"github.com/ripcord-dev/ripcord"
)

const maxCommand = 1 << 20

// reply is the body of every refused command.
type reply struct {
	Error string `json:"error"`
}

// controlHandler serves the control socket:
//
//	GET    /state       Status
//	PUT    /side/NAME   Side           -> Status
//	DELETE /side/NAME                  -> Status
//	PUT    /route       RouteChange    -> Status
//	PUT    /rotation    Rotation       -> Status
//	POST   /drain       DrainRequest   -> Drained
//	GET    /stats       Stats
//	GET    /metrics     Prometheus text
//	GET    /stamp       ripcord.Stamp, or null
//	PUT    /stamp       ripcord.Stamp  -> Stamp
//	POST   /hand-over                  -> the sockets, for a successor
//
// A refused command answers 400 (not understood), 404 (no such side), 409 (does
// not fit the state) or 500, with {"error": "..."}.
func (p *Proxy) controlHandler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /state", func(w http.ResponseWriter, _ *http.Request) { answer(w, p.Status(), nil) })
	mux.HandleFunc("GET /stats", func(w http.ResponseWriter, _ *http.Request) { answer(w, p.Stats(), nil) })
	mux.HandleFunc("GET /metrics", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
		_ = p.Stats().WritePrometheus(w) // an error is the reader's hanging up
	})
	mux.HandleFunc("GET /stamp", func(w http.ResponseWriter, _ *http.Request) { answer(w, p.Stamp(), nil) })
	mux.HandleFunc("PUT /stamp", func(w http.ResponseWriter, r *http.Request) {
		take(w, r, func(s ripcord.Stamp) (any, error) { return s, p.SetStamp(&s) })
	})
	mux.HandleFunc("PUT /side/{name}", func(w http.ResponseWriter, r *http.Request) {
		take(w, r, func(s Side) (any, error) { //nolint:contextcheck // the probes that it starts outlive the command
			if s.Name != r.PathValue("name") {
				return nil, conflict("the side is named %q in the path and %q in the body", r.PathValue("name"), s.Name)
			}
			return p.after(p.PutSide(s))
		})
	})
	mux.HandleFunc("DELETE /side/{name}", func(w http.ResponseWriter, r *http.Request) {
		status, err := p.after(p.DeleteSide(r.PathValue("name")))
		answer(w, status, err)
	})
	mux.HandleFunc("PUT /route", func(w http.ResponseWriter, r *http.Request) {
		take(w, r, func(c RouteChange) (any, error) { return p.after(p.SetRoute(c)) })
	})
	mux.HandleFunc("PUT /rotation", func(w http.ResponseWriter, r *http.Request) {
		take(w, r, func(c Rotation) (any, error) { return p.after(p.Rotate(c)) })
	})
	mux.HandleFunc("POST /drain", func(w http.ResponseWriter, r *http.Request) {
		take(w, r, func(d DrainRequest) (any, error) { return p.Drain(r.Context(), d) }) //nolint:contextcheck // it is the request's
	})
	mux.HandleFunc("POST "+handOverPath, p.serveHandOver)
	return mux
}

func (p *Proxy) after(err error) (any, error) {
	if err != nil {
		return nil, err
	}
	return p.Status(), nil
}

// take decodes a command strictly and answers with what do returns.
func take[T any](w http.ResponseWriter, r *http.Request, do func(T) (any, error)) {
	data, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxCommand))
	var command T
	if err == nil {
		err = decodeStrict(data, &command)
	}
	if err != nil {
		w.WriteHeader(http.StatusBadRequest)
		_ = json.NewEncoder(w).Encode(reply{Error: fmt.Sprintf("the command is not understood: %v", err)})
		return
	}
	result, err := do(command)
	answer(w, result, err)
}

func answer(w http.ResponseWriter, result any, err error) {
	w.Header().Set("Content-Type", "application/json")
	if err == nil {
		_ = json.NewEncoder(w).Encode(result) // an error is the reader's hanging up
		return
	}
	status := http.StatusInternalServerError
	var refused *conflictError
	var missing *notFoundError
	var early *notReadyError
	switch {
	case errors.As(err, &refused):
		status = http.StatusConflict
	case errors.As(err, &missing):
		status = http.StatusNotFound
	case errors.As(err, &early):
		status = http.StatusServiceUnavailable
	}
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(reply{Error: err.Error()})
}
