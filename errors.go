package ripcord

import (
	"errors"
	"fmt"
)

// Code is an error's meaning for machines. The command line maps each to one
// exit code.
type Code string

// The codes.
const (
	// CodeInternal: something in Ripcord or its machine went wrong.
	CodeInternal Code = "internal"
	// CodePlan: a bad plan or bad arguments; nothing was changed.
	CodePlan Code = "plan"
	// CodeRefused: quarantine, lock, freeze or approval refuse it.
	CodeRefused Code = "refused"
	// CodeInterrupted: a run has no living executor and waits for recover.
	CodeInterrupted Code = "interrupted"
	// CodeNotFound: a run, step or release that does not exist.
	CodeNotFound Code = "not_found"
)

// Error has three readers: Code for machines, Message for users, the
// chain that Unwrap walks for operators.
type Error struct {
	Code    Code
	Message string
	// Fix is what the reader can do about it; it may be empty.
	Fix   string
	chain error
}

// Error returns the message.
func (e *Error) Error() string { return e.Message }

// Unwrap returns the chain.
func (e *Error) Unwrap() error { return e.chain }

// Errorf makes an Error; a %w verb becomes part of its chain.
func Errorf(code Code, format string, args ...any) *Error {
	wrapped := fmt.Errorf(format, args...)
	return &Error{Code: code, Message: wrapped.Error(), chain: errors.Unwrap(wrapped)}
}

// WithFix returns e with a way to mend it.
func (e *Error) WithFix(format string, args ...any) *Error {
	e.Fix = fmt.Sprintf(format, args...)
	return e
}

// CodeOf returns the code of the first Error in err's chain, or CodeInternal.
func CodeOf(err error) Code {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Code
	}
	return CodeInternal
}

// The sentinels of the contracts.
var (
	// ErrAway: the target cannot be reached now, and may be later. It is in the
	// chains of errors of a Check or an effect that has not begun.
	ErrAway = errors.New("the target cannot be reached")
	// ErrLost: what a dead executor started cannot be proved to have ended
	// either way.
	ErrLost = errors.New("the result of the interrupted effect is lost")
	// ErrFenced: another executor has taken the run over; stop at once.
	ErrFenced = errors.New("another executor has taken this run over")
)
