package fake

import "github.com/ripcord-dev/ripcord"

// Op is an operation of a step.
type Op uint8

// The operations that faults and moments name.
const (
	Check Op = iota
	Apply
	Undo
	Prepare
	Discard
	Finish
	Outputs
	Resume
	ops
)

// String returns the operation's name.
func (o Op) String() string {
	switch o {
	case Check:
		return "check"
	case Apply:
		return "apply"
	case Undo:
		return "undo"
	case Prepare:
		return "prepare"
	case Discard:
		return "discard"
	case Finish:
		return "finish"
	case Outputs:
		return "outputs"
	case Resume:
		return "resume"
	case ops:
	}
	return "?"
}

// Mode is how an operation goes wrong.
type Mode uint8

// The modes. Those about effects are for Apply, Undo, Prepare, Discard and
// Finish; elsewhere each but Block counts as Fail, unless it says otherwise.
const (
	// Fail returns an error without an effect.
	Fail Mode = iota + 1
	// FailFinal is Fail with a failure that says: another attempt is pointless.
	FailFinal
	// FailHalf does half of the effect, then returns an error.
	FailHalf
	// FailDone does the effect but reports an error: the result is lost.
	FailDone
	// Block waits for the context's end without an effect.
	Block
	// BlockHalf does half of the effect, then waits for the context's end.
	BlockHalf
	// BlockDone does the effect, then waits for the context's end.
	BlockDone
	// NoEffect reports success without an effect.
	NoEffect
	// SayUnknown is for Check: it says Unknown.
	SayUnknown
	// Lie is for Check: it says Absent for Present and Present for the rest,
	// with an image that is no value's.
	Lie
	// Lost is for Resume: it says ErrLost.
	Lost
)

// Fault makes calls of one operation of one step go wrong.
type Fault struct {
	Step ripcord.StepID
	Op   Op
	// Call is the first call that goes wrong, counted from 1 over the World's
	// whole life; 0 is 1.
	Call int
	// Count is how many calls in a row go wrong; 0 is 1, less than 0 all.
	Count int
	Mode  Mode
}

// hits reports whether the n-th call goes wrong.
func (f *Fault) hits(n int) bool {
	first, count := max(f.Call, 1), f.Count
	if count == 0 {
		count = 1
	}
	return n >= first && (count < 0 || n < first+count)
}

func (f Mode) half() bool   { return f == FailHalf || f == BlockHalf }
func (f Mode) whole() bool  { return f == FailDone || f == BlockDone }
func (f Mode) blocks() bool { return f == Block || f == BlockHalf || f == BlockDone }

// err is the error of a call that went wrong without blocking.
func (f Mode) err(id ripcord.StepID, op Op) error {
	if f == NoEffect {
		return nil
	}
	class := ripcord.FailedTarget
	if op == Check {
		class = ripcord.FailedCheck
	}
	return &ripcord.Failure{
		Class: class, Final: f == FailFinal,
		Summary: "injected: " + op.String() + " of " + string(id) + " failed",
	}
}
