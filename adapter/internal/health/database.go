package health

import (
	"errors"
	"net"

	"github.com/ripcord-dev/ripcord/adapter/internal/database"
)

// sqlFailed says what a database refused, or that it does not answer.
func sqlFailed(err error, secrets []string) error {
	if op, ok := errors.AsType[*net.OpError](err); ok {
		answer := bad(op, secrets)
		answer.Text = "does not answer: " + answer.Text
		return answer
	}
	if dns, ok := errors.AsType[*net.DNSError](err); ok {
		return bad(dns, secrets)
	}
	if database.Closed(err) {
		return &AnswerError{Text: "does not answer: the connection was closed", err: err}
	}
	return &AnswerError{Text: hide(oneLine(database.Text(err)), secrets), err: err}
}
