package health

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"syscall"

	"github.com/ripcord-dev/ripcord"
)

// GRPC asks the standard health service, grpc.health.v1.Health/Check.
type GRPC struct {
	// Address is where the server listens; empty asks each target.
	Address string `json:"address"`
	// Service is the name that the server knows a service by; empty asks for the
	// server as a whole.
	Service string `json:"service"`
	// TLS encrypts; nil asks in clear.
	TLS *TLS `json:"tls"`
}

// TLS says whom an encrypted connection trusts.
type TLS struct {
	// Authority is a PEM file with the authorities that may vouch for the server,
	// relative to the plan file's folder; empty takes the system's.
	Authority string `json:"authority"`
	// Name is what the server's certificate must say; empty is the address's host.
	Name string `json:"name"`
}

// grpcMethod is where every server with the health service answers.
const grpcMethod = "/grpc.health.v1.Health/Check"

// grpcAnswerLimit is how much of an answer is read, in bytes.
const grpcAnswerLimit = 64 << 10

// The states of a service, by their numbers in grpc.health.v1.
const (
	grpcUnknown = iota
	grpcServing
	grpcNotServing
	grpcServiceUnknown
)

// grpcClient speaks HTTP/2 over a connection of its own; close ends it.
func (k Asker) grpcClient(set *GRPC) (client *http.Client, closeAll func(), err error) {
	protocols := new(http.Protocols)
	transport := &http.Transport{
		Proxy: nil, DisableCompression: true, MaxResponseHeaderBytes: 64 << 10, Protocols: protocols,
		DialContext: k.dial,
	}
	if set.TLS == nil {
		protocols.SetUnencryptedHTTP2(true)
	} else {
		protocols.SetHTTP2(true)
		if transport.TLSClientConfig, err = k.trust(set.TLS); err != nil {
			return nil, nil, err
		}
	}
	client = &http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	return client, transport.CloseIdleConnections, nil
}

// grpc asks once.
func (k Asker) grpc(ctx context.Context, s Settings, address string) error {
	address, secrets, err := k.expand(ctx, address)
	if err != nil {
		return err
	}
	client, closeAll, err := k.grpcClient(s.GRPC)
	if err != nil {
		return err
	}
	defer closeAll()
	scheme := "http"
	if s.GRPC.TLS != nil {
		scheme = "https"
	}
	at := url.URL{Scheme: scheme, Host: address, Path: grpcMethod}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, at.String(), bytes.NewReader(grpcQuestion(s.GRPC.Service)))
	if err != nil {
		return bad(err, secrets)
	}
	request.Header.Set("Content-Type", "application/grpc")
	request.Header.Set("Te", "trailers")
	request.Header.Set("User-Agent", "ripcord")
	request.Header.Set("Grpc-Timeout", strconv.FormatInt(max(1, s.AttemptTimeout.Std().Milliseconds()), 10)+"m")
	response, err := client.Do(request)
	if err != nil {
		return grpcUnreached(err, s.GRPC, secrets)
	}
	body, err := io.ReadAll(io.LimitReader(response.Body, grpcAnswerLimit))
	if err = errors.Join(err, response.Body.Close()); err != nil {
		return bad(err, secrets)
	}
	return grpcJudge(s.GRPC.Service, response, body)
}

// grpcUnreached tells a server that speaks something else from one that is not there.
func grpcUnreached(err error, set *GRPC, secrets []string) error {
	answer := bad(err, secrets)
	var header tls.RecordHeaderError
	said := err.Error()
	switch {
	case errors.As(err, &header), strings.Contains(said, "server gave HTTP response to HTTPS client"):
		answer.Text = "it does not speak TLS; leave out tls"
	case set.TLS == nil && closed(err):
		answer.Text = "it closes the connection of one that speaks gRPC in clear (HTTP/2); if it wants TLS, add tls"
	case set.TLS == nil && (strings.Contains(said, "malformed HTTP response") || strings.Contains(said, "frame too large") || strings.Contains(said, "http2:")):
		answer.Text = "it accepts connections but does not speak gRPC in clear (HTTP/2); if it wants TLS, add tls"
	}
	return answer
}

// closed reports whether the other side ended the connection.
func closed(err error) bool {
	for _, end := range []error{io.EOF, io.ErrUnexpectedEOF, syscall.EPIPE, syscall.ECONNRESET} {
		if errors.Is(err, end) {
			return true
		}
	}
	return false
}

// grpcQuestion is a HealthCheckRequest in its frame: a byte for no compression,
// the length, and the message, whose only field, number 1, is the service's name.
func grpcQuestion(service string) []byte {
	var message []byte
	if service != "" {
		message = append(message, 1<<3|2)
		message = binary.AppendUvarint(message, uint64(len(service)))
		message = append(message, service...)
	}
	frame := binary.BigEndian.AppendUint32([]byte{0}, uint32(len(message))) //nolint:gosec // G115: a name's length
	return append(frame, message...)
}

// grpcAnswer reads the state from a HealthCheckResponse in its frame: field 1, a
// varint. Fields that we do not know are passed over.
func grpcAnswer(frame []byte) (state uint64, err error) {
	errBroken := errors.New("its answer is not a health answer")
	if len(frame) < 5 || frame[0] != 0 {
		return 0, errBroken
	}
	length := binary.BigEndian.Uint32(frame[1:5])
	message := frame[5:]
	if uint64(length) != uint64(len(message)) {
		return 0, errBroken
	}
	for len(message) > 0 {
		tag, n := binary.Uvarint(message)
		if n <= 0 || tag>>3 == 0 {
			return 0, errBroken
		}
		message = message[n:]
		value, size, ok := grpcField(tag&7, message)
		if !ok {
			return 0, errBroken
		}
		if tag == 1<<3 {
			state = value
		}
		message = message[size:]
	}
	return state, nil
}

// grpcField measures one field's value; value is that of a varint.
func grpcField(wire uint64, message []byte) (value uint64, size int, ok bool) {
	const varint, eight, lengthed, four = 0, 1, 2, 5
	switch wire {
	case varint:
		v, n := binary.Uvarint(message)
		return v, n, n > 0
	case eight:
		return 0, 8, len(message) >= 8
	case lengthed:
		v, n := binary.Uvarint(message)
		if n <= 0 || v > uint64(len(message)-n) { //nolint:gosec // G115: n is at most the length
			return 0, 0, false
		}
		return 0, n + int(v), true //nolint:gosec // G115: it lies within the message
	case four:
		return 0, 4, len(message) >= 4
	}
	return 0, 0, false
}

// grpcJudge turns an answer into nil or what is wrong.
func grpcJudge(service string, response *http.Response, body []byte) error {
	whole := (&GRPC{Service: service}).whole()
	status := response.Trailer.Get("Grpc-Status")
	message := response.Trailer.Get("Grpc-Message")
	if status == "" { // an answer without a message has all in its header
		status, message = response.Header.Get("Grpc-Status"), response.Header.Get("Grpc-Message")
	}
	if plain, err := url.PathUnescape(message); err == nil {
		message = plain
	}
	switch {
	case response.StatusCode != http.StatusOK || status == "":
		return &AnswerError{Text: fmt.Sprintf("it speaks HTTP but not gRPC: status %d", response.StatusCode), Lines: excerpt(string(body))}
	case status == "12":
		return &AnswerError{Text: "UNIMPLEMENTED: the server has no health service (grpc.health.v1.Health); register it, or ask with tcp"}
	case status == "5":
		return &AnswerError{Text: "NOT_FOUND: the server's health service knows no " + whole}
	case status != "0":
		return &AnswerError{Text: oneLine(fmt.Sprintf("gRPC status %s: %s", grpcCode(status), message))}
	}
	state, err := grpcAnswer(body)
	switch {
	case err != nil:
		return &AnswerError{Text: err.Error(), err: err}
	case state == grpcServing:
		return nil
	case state == grpcNotServing:
		return &AnswerError{Text: fmt.Sprintf("NOT_SERVING: %s says that it is not ready", whole)}
	case state == grpcServiceUnknown:
		return &AnswerError{Text: "SERVICE_UNKNOWN: the server's health service knows no " + whole}
	case state == grpcUnknown:
		return &AnswerError{Text: fmt.Sprintf("UNKNOWN: the server does not know how %s fares", whole)}
	}
	return &AnswerError{Text: fmt.Sprintf("%s answered with state %d, which is none of grpc.health.v1", whole, state)}
}

// grpcCode names a status code.
func grpcCode(status string) string {
	names := []string{
		"OK", "CANCELLED", "UNKNOWN", "INVALID_ARGUMENT", "DEADLINE_EXCEEDED", "NOT_FOUND", "ALREADY_EXISTS", "PERMISSION_DENIED",
		"RESOURCE_EXHAUSTED", "FAILED_PRECONDITION", "ABORTED", "OUT_OF_RANGE", "UNIMPLEMENTED", "INTERNAL", "UNAVAILABLE", "DATA_LOSS", "UNAUTHENTICATED",
	}
	if n, err := strconv.Atoi(status); err == nil && n >= 0 && n < len(names) {
		return names[n]
	}
	return strconv.Quote(status)
}

// oneLine is a server's text, fit for a line of ours.
func oneLine(text string) string {
	if lines := excerpt(text); len(lines) > 0 {
		return lines[0]
	}
	return ""
}

// whole is what is asked for, for people.
func (g *GRPC) whole() string {
	if g.Service == "" {
		return "the server"
	}
	return "service " + strconv.Quote(g.Service)
}

// complete refuses what cannot be asked.
func (g *GRPC) complete(kind string) error {
	if g.Address == "" || open(g.Address) {
		return nil
	}
	if _, _, err := net.SplitHostPort(g.Address); err != nil {
		return ripcord.Errorf(ripcord.CodePlan, "%s: grpc %q is not an address", kind, g.Address).WithFix("write it like 127.0.0.1:50051")
	}
	return nil
}
