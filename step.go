package ripcord

import (
	"context"
	"encoding/json"
	"io"
	"time"
)

// Presence is how much of a step's effect is there.
type Presence string

// The presences.
const (
	// Absent: nothing of the effect is there.
	Absent Presence = "absent"
	// Present: the whole effect is there.
	Present Presence = "present"
	// Partial: something of the effect is there.
	Partial Presence = "partial"
	// Unknown: it could not be found out.
	Unknown Presence = "unknown"
)

// Observation is what a Check saw.
type Observation struct {
	Presence Presence
	// Image is a canonical description of what is there now: equal worlds give
	// equal bytes. It may hold secrets, so it is stored encrypted.
	Image []byte
	// Exact says that equal images prove equal worlds. A yes/no check is not exact.
	Exact bool
	// Detail is one line for people. It holds no secret.
	Detail string
}

// Step is one reversible effect on one target.
type Step interface {
	// Check reads only and is cheap. An error means that the check itself
	// could not be made; it counts as Unknown.
	Check(ctx context.Context) (Observation, error)
	// Apply brings the effect about. It is idempotent: called again after an
	// interruption it completes the effect. The context's end means stop now;
	// Apply returns only when nothing that it started still runs.
	Apply(ctx context.Context, a Attempt) error
	// Undo brings the before-image back. It is idempotent and safe when Apply
	// never ran or stopped anywhere in its middle.
	Undo(ctx context.Context, a Attempt) error
}

// Attempt is one try at a step's effect, as seen by an adapter.
type Attempt struct {
	// Key is the idempotency key: run and step, stable over retries.
	Key string
	// Number counts from 1, separately for Apply and Undo.
	Number int
	Fence  uint64
	// Before is the before-image, with its Image.
	Before Observation
	// Progress is everything recorded so far for this step, oldest first, also
	// by attempts of executors that died.
	Progress []json.RawMessage
	// Record makes data durable before it returns: statements executed, hosts
	// done, resources made. Data holds no secret.
	Record func(ctx context.Context, data any) error
	// Output takes lines for the step's log. Known secrets are removed from it.
	Output io.Writer
	// Enough is closed when the steps that this one stands beside have passed:
	// Apply then ends by itself. It is nil where StepSpec.Until is empty.
	Enough <-chan struct{}
	// LossAccepted says that a person accepted what Undo loses; see Failure.Loss.
	LossAccepted bool
	// Passed reports whether another step of the run has passed.
	Passed func(step StepID) bool
}

// Adapter opens steps on one kind of system.
type Adapter interface {
	// Kind is the name that StepSpec.Adapter refers to.
	Kind() string
	// Open reads the spec's settings and touches nothing. Its error is one of
	// CodePlan: what is wrong, and how to mend it.
	Open(ctx context.Context, spec StepSpec, scope Scope) (Step, error)
}

// Scope is what a step may use of the run around it.
type Scope struct {
	Run         RunID
	Application string
	Environment string
	Version     string
	// Directory is the plan file's folder, the working directory of commands.
	Directory string
	// Bundle is the folder with the files captured at the run's start, laid out
	// as in Directory.
	Bundle string
	// Again says that an earlier release's plan is executed again: what Bundle
	// holds comes before what lies in Directory by now.
	Again bool
	// StateDir is the state directory.
	StateDir string
	// Public is a folder outside of StateDir for what programs of other users
	// must be able to read; no secret lies there. It may not exist yet.
	Public string
	// Self is the path of the running ripcord binary.
	Self       string
	Secrets    Secrets
	Commands   Commands
	Blobs      Blobs
	Supervisor Supervisor
	Machines   Machines
	Now        func() time.Time
}

// Traits are what the engine must know of a step before it runs. An adapter's
// step tells them through Describer; DefaultTraits apply otherwise.
type Traits struct {
	// Checkable: Check can tell whether the effect is there.
	Checkable bool `json:"checkable"`
	// Idempotent: an interrupted Apply may be repeated although no Check can
	// tell how far it came.
	Idempotent bool `json:"idempotent"`
	// UndoIdempotent: the same for Undo, also when Apply was interrupted.
	UndoIdempotent bool `json:"undo_idempotent"`
	// Traffic: the step moves traffic; it is undone before all others.
	Traffic bool `json:"traffic,omitempty"`
	// Watches: the step watches the release; it is last and sets the run's
	// state to watching.
	Watches bool `json:"watches,omitempty"`
	// Prepares and Finishes: the step implements Preparer, Finisher.
	Prepares bool `json:"prepares,omitempty"`
	Finishes bool `json:"finishes,omitempty"`
	// Keeps: what Prepare made is small, and stays after the commit until the
	// run is pruned, so that the release can still be taken back.
	Keeps bool `json:"keeps,omitempty"`
	// Reversal says how the step can go back.
	Reversal Reversal `json:"reversal"`
}

// DefaultTraits describe a step that keeps the contract of Step in full.
func DefaultTraits() Traits {
	return Traits{
		Checkable: true, Idempotent: true, UndoIdempotent: true,
		Reversal: Reversal{Way: WayExact},
	}
}

// Way is how a step can go back.
type Way string

// The ways back.
const (
	// WayExact: undo brings back exactly what was there, and proves it.
	WayExact Way = "exact"
	// WayRestorable: undo brings it back with the loss that is stated.
	WayRestorable Way = "restorable"
	// WayUnverified: undo exists, but nothing can prove that it worked.
	WayUnverified Way = "unverified"
	// WayNone: there is no way back.
	WayNone Way = "none"
	// WayNothing: the step changes nothing, so there is nothing to take back.
	WayNothing Way = "nothing"
)

// Reversal says how a step can go back, and at what price.
type Reversal struct {
	Way Way `json:"way"`
	// Loss is what is lost on the way back, in words; empty is nothing.
	Loss string `json:"loss,omitempty"`
	// How is what a person would do by hand, for the runbook.
	How string `json:"how,omitempty"`
}

// Describer is a step that knows its traits.
type Describer interface{ Traits() Traits }

// Preparer is a step that makes something before its first intent that its way
// back needs, for example a safety copy.
type Preparer interface {
	// Prepare is journaled, idempotent and follows the first Check.
	Prepare(ctx context.Context, a Attempt) error
	// Discard drops what Prepare made. It is idempotent, and follows a verified
	// undo or the commit's finish.
	Discard(ctx context.Context, a Attempt) error
}

// Finisher is a step with something left that only the way back needed.
type Finisher interface {
	// Finish follows the commit and is idempotent; there is no way back from it.
	Finish(ctx context.Context, a Attempt) error
}

// Resumer is a step whose effect can go on after its executor died.
type Resumer interface {
	// Resume finds the effect that a dead executor left, Apply's or Undo's as
	// undo says, waits for its end and returns its result as if it had been
	// called here. When the context ends, the effect is stopped. It returns
	// ErrLost when the result cannot be proved.
	Resume(ctx context.Context, a Attempt, undo bool) error
}

// Outputter is a step with values for later steps.
type Outputter interface {
	// Outputs follows a successful Apply.
	Outputs(ctx context.Context, a Attempt) (map[string]Output, error)
}

// Output is one value that a step hands to later ones.
type Output struct {
	Value string `json:"value,omitempty"`
	// Sensitive values are never journaled or shown; Value is then a blob's id
	// in the journal.
	Sensitive bool `json:"sensitive,omitempty"`
}

// Explainer is a step that can say, reading only, what it would change.
type Explainer interface {
	Explain(ctx context.Context) (string, error)
}

// Capturer is a step that knows which files the bundle must hold for it.
type Capturer interface {
	// Files returns paths relative to Scope.Directory.
	Files() []string
}

// Feasible is a step that can tell, before anything happens, what would make it
// fail at once.
type Feasible interface {
	// Feasible reads only. Its error is one of CodePlan: what is wrong, and how
	// to mend it.
	Feasible(ctx context.Context) error
}

// Prober is a step that can tell, reading only and within a few seconds, whether
// what it asks is well now.
type Prober interface {
	// Probe returns nil when it is, else what is wrong, in one line.
	Probe(ctx context.Context) error
}

// Pinner is a step whose settings name something by a name that may mean something
// else later, for example an image by its tag.
type Pinner interface {
	// Pin returns the settings with what the name means now. It reads only, and is
	// called when a release is planned, before anything happens. Its error is one
	// of CodePlan.
	Pin(ctx context.Context) (json.RawMessage, error)
}

// Evidencer is a step that can show evidence of a failure: logs, probes.
type Evidencer interface {
	Evidence(ctx context.Context) ([]Evidence, error)
}

// Evidence is one piece of evidence.
type Evidence struct {
	// Name is unique within the step, for example "web-green-1.log".
	Name string
	Data []byte
}

// Runtime is a step that deploys instances which something else than the Supervisor
// keeps alive.
type Runtime interface {
	// Instances lists those of the step's service that are there, of all runs.
	Instances(ctx context.Context) ([]InstanceStatus, error)
	// Tail returns the newest lines of one's log, without secrets; CodeNotFound where
	// there is no such instance.
	Tail(ctx context.Context, id string, lines int) ([]string, error)
}

// Stamper is a step whose target can carry a stamp.
type Stamper interface {
	// Stamp reads the target's stamp; nil when it has none.
	Stamp(ctx context.Context) (*Stamp, error)
	// SetStamp writes it.
	SetStamp(ctx context.Context, s Stamp) error
}

// Stamp says who changed a target last.
type Stamp struct {
	// State is the id of the state directory.
	State string `json:"state"`
	Run   RunID  `json:"run"`
	Fence uint64 `json:"fence"`
}
