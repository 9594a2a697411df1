package dataplane

import (
	"errors"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"
)

// deliver passes a target's answer on to the client.
func (in *inbound) deliver(x *exchange, response *http.Response) {
	if response.StatusCode == http.StatusSwitchingProtocols {
		in.switchProtocols(x, response)
		return
	}
	in.count.status(response.StatusCode)
	if response.StatusCode >= http.StatusInternalServerError {
		in.count.failed.Add(1)
	}
	whole := false
	defer func() { in.end(x, whole && !response.Close && x.sent()) }()
	h := in.w.Header()
	copyAnswerHeader(h, response.Header, false)
	if in.give != "" {
		h["Set-Cookie"] = append(slices.Clone(h["Set-Cookie"]), in.give)
	}
	if _, typed := h["Content-Type"]; !typed {
		h["Content-Type"] = nil // keeps the server from guessing one
	}
	announceTrailers(h, response.Trailer)
	if in.body.stream != nil && !x.sent() && in.r.ProtoMajor == 1 {
		h.Set("Connection", "close") // the rest of the client's body stays unread
	}
	in.w.WriteHeader(response.StatusCode)
	err := in.copyAnswer(x, response)
	if err != nil {
		in.breakOff(x, response, err)
	}
	whole = true
	maps.Copy(h, response.Trailer)
}

// errClientWrite: the client does not take its answer.
var errClientWrite = errors.New("the client stopped reading")

// breakOff ends an answer that cannot be completed so that the client sees it.
func (in *inbound) breakOff(x *exchange, response *http.Response, err error) {
	if errors.Is(err, errClientWrite) || x.stopped(stoppedByClient) {
		in.count.cancelled.Add(1)
	} else {
		in.count.upstream.Add(1)
		if response.StatusCode < http.StatusInternalServerError { // else it has failed already
			in.count.failed.Add(1)
		}
		x.target.errors.Add(1)
	}
	panic(http.ErrAbortHandler)
}

func announceTrailers(h, trailer http.Header) {
	for name := range trailer {
		h.Add("Trailer", name)
	}
}

// copyAnswer copies the body. Where its end is not known beforehand, each piece
// is passed on as soon as it has come.
func (in *inbound) copyAnswer(x *exchange, response *http.Response) error {
	if response.Body == http.NoBody || in.r.Method == http.MethodHead {
		return nil
	}
	stream := response.ContentLength < 0 || eventStream(response.Header)
	long := stream || response.ContentLength > copyBuffer
	var control *http.ResponseController
	if long {
		control = http.NewResponseController(in.w)
		defer func() { _ = control.SetWriteDeadline(time.Time{}) }()
	}
	if stream && x.conn.reader.Buffered() == 0 {
		_ = control.Flush() // the header must not wait for the first piece
	}
	piece := in.proxy.buffers.bytes(&in.proxy.buffers.copy)
	defer in.proxy.buffers.copy.Put(piece)
	for {
		n, err := response.Body.Read(*piece)
		if n > 0 && in.write((*piece)[:n], control) != nil {
			return errClientWrite
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if stream && n > 0 && x.conn.reader.Buffered() == 0 && control.Flush() != nil {
			return errClientWrite
		}
	}
}

// write passes one piece on; with a control, only as long as the client's
// patience lasts.
func (in *inbound) write(piece []byte, control *http.ResponseController) error {
	if control != nil {
		_ = control.SetWriteDeadline(in.proxy.now().Add(bodyPatience))
	}
	n, err := in.w.Write(piece)
	in.count.bytesOut.Add(uint64(n)) //nolint:gosec // not negative
	return err
}

func eventStream(h http.Header) bool {
	kind, _, _ := strings.Cut(h.Get("Content-Type"), ";")
	return strings.EqualFold(strings.TrimSpace(kind), "text/event-stream")
}
