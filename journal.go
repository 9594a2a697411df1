package ripcord

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"iter"
	"time"
)

// EntryVersion is the version of the entries that this binary writes. A newer
// binary reads all older ones.
const EntryVersion = 1

// EntryKind says what an entry records.
type EntryKind string

// The kinds of entries. Those of a run change its state; those of a step change
// the step's.
const (
	RunPlanned     EntryKind = "run.planned"      // Plan, Who, Reason
	RunStarted     EntryKind = "run.started"      // first effects may follow
	RunAttached    EntryKind = "run.attached"     // Executor: a new one holds the lease; effects in progress were interrupted
	RunBundled     EntryKind = "run.bundled"      // Blobs: the bundle is durable
	RunPaused      EntryKind = "run.paused"       // Who, Reason
	RunResumed     EntryKind = "run.resumed"      // Who, Reason, State
	RunHeld        EntryKind = "run.held"         // Reason, Step, Failure, Until, Then
	RunReleased    EntryKind = "run.released"     // a hold ended: Reason, State, Step
	RunWatching    EntryKind = "run.watching"     // the watch step begins
	RunRollingBack EntryKind = "run.rolling_back" // Reason, Step, Failure
	RunEvidence    EntryKind = "run.evidence"     // Blobs, Reason (gaps)
	RunCommitted   EntryKind = "run.committed"    // LastGood
	RunSucceeded   EntryKind = "run.succeeded"    // Cleanup: what Finish could not do
	RunRolledBack  EntryKind = "run.rolled_back"  // Verified
	RunClosed      EntryKind = "run.closed"       // Who, Reason
	RunControl     EntryKind = "run.control"      // Request: taken from the request table

	StepChecked    EntryKind = "step.checked"     // Seen: the before-image
	StepFound      EntryKind = "step.found"       // Seen: there before our first intent; not ours
	StepSkipped    EntryKind = "step.skipped"     // Reason
	StepAsked      EntryKind = "step.asked"       // Reason (the question), Until; Back
	StepPreparing  EntryKind = "step.preparing"   // Prepare begins
	StepPrepared   EntryKind = "step.prepared"    // Prepare's result is durable
	StepIntent     EntryKind = "step.intent"      // Attempt: Apply begins
	StepProgress   EntryKind = "step.progress"    // Data, Back
	StepApplied    EntryKind = "step.applied"     // Outputs, Blobs (log)
	StepFailed     EntryKind = "step.failed"      // Attempt, Failure, Until (next attempt), Blobs (log)
	StepSettled    EntryKind = "step.settled"     // Seen: how an interrupted, cancelled or failed effect left the target
	StepUndoIntent EntryKind = "step.undo_intent" // Attempt: Undo begins
	StepUndone     EntryKind = "step.undone"      // Seen, Verified, Blobs (log)
	StepUndoFailed EntryKind = "step.undo_failed" // Attempt, Failure, Until (next attempt), Blobs (log)
	StepDiscarded  EntryKind = "step.discarded"   // what Prepare made is dropped; Failure if it could not be
	StepLeft       EntryKind = "step.left"        // Reason: going back leaves this step as it is
	StepFinished   EntryKind = "step.finished"    // after commit
	StepUnfinished EntryKind = "step.unfinished"  // Failure: Finish failed; Until (next attempt)
)

// Entry is one line of the journal. Seq, Prev and Hash are the store's to set.
type Entry struct {
	Version int       `json:"v"`
	Run     RunID     `json:"run"`
	Seq     uint64    `json:"seq"`
	At      time.Time `json:"at"`
	// Fence is the lease's number under which the entry was written.
	Fence   uint64    `json:"fence,omitempty"`
	Kind    EntryKind `json:"kind"`
	Step    StepID    `json:"step,omitempty"`
	Attempt int       `json:"attempt,omitempty"`

	Plan     *Plan              `json:"plan,omitempty"`
	Executor *Executor          `json:"executor,omitempty"`
	Request  *Request           `json:"request,omitempty"`
	Seen     *Sighting          `json:"seen,omitempty"`
	Failure  *Failure           `json:"failure,omitempty"`
	Outputs  map[string]Output  `json:"outputs,omitempty"`
	Blobs    map[string]BlobRef `json:"blobs,omitempty"`
	Data     json.RawMessage    `json:"data,omitempty"`
	Who      string             `json:"who,omitempty"`
	Reason   string             `json:"reason,omitempty"`
	// Until is a deadline: of a hold, a question, or the next attempt.
	Until *time.Time `json:"until,omitempty"`
	// Then is what happens when a hold's Until has passed.
	Then FailureAction `json:"then,omitempty"`
	// Verified says that a fresh observation equalled the before-image.
	Verified bool `json:"verified,omitempty"`
	// Back marks an entry that belongs to the way back of its step.
	Back bool `json:"back,omitempty"`
	// State is the run state in which a resumed or released run goes on.
	State RunState `json:"state,omitempty"`
	// LastGood is the release that a commit makes last good.
	LastGood RunID `json:"last_good,omitempty"`
	// Cleanup lists the steps whose Finish did not succeed.
	Cleanup []StepID `json:"cleanup,omitempty"`

	// Prev is the Hash of the run's entry before; Hash covers all other fields.
	Prev string `json:"prev,omitempty"`
	Hash string `json:"hash,omitempty"`
}

// Sighting is an Observation as the journal holds it: the image lies in a blob.
type Sighting struct {
	Presence Presence `json:"presence"`
	Exact    bool     `json:"exact,omitempty"`
	Detail   string   `json:"detail,omitempty"`
	// Digest is the keyed digest of the image; empty where there is none.
	Digest string `json:"digest,omitempty"`
	// Image is where the image lies; nil where it is empty or not kept.
	Image *BlobRef `json:"image,omitempty"`
	// Away says that nothing could be seen because the target cannot be reached.
	Away bool `json:"away,omitempty"`
}

// Same reports whether two sightings saw the same.
func (s *Sighting) Same(o *Sighting) bool {
	return s != nil && o != nil && s.Presence == o.Presence && s.Digest == o.Digest && s.Presence != Unknown
}

// FailureClass sorts failures by what failed.
type FailureClass string

// The failure classes that the engine itself can tell.
const (
	FailedCommand    FailureClass = "command"    // an external command ended badly
	FailedTimeout    FailureClass = "timeout"    // an attempt took too long
	FailedHealth     FailureClass = "health"     // something did not become or stay healthy
	FailedAnalysis   FailureClass = "analysis"   // metrics prove the new version worse, or nothing proves it
	FailedDependency FailureClass = "dependency" // something is not healthy, and something that it needs is not either
	FailedCheck      FailureClass = "check"      // a Check could not be made
	FailedTarget     FailureClass = "target"     // the target refused or is not as expected
	FailedUnproved   FailureClass = "unproved"   // an interrupted effect's result cannot be proved
	FailedCancelled  FailureClass = "cancelled"  // stopped because of something else
	FailedInternal   FailureClass = "internal"   // Ripcord or its machine
)

// Failure says what went wrong, for people and for diagnosis. It is also an
// error, so that an adapter can return one.
type Failure struct {
	Class   FailureClass `json:"class"`
	Summary string       `json:"summary"`
	// Lines quote the log that shows it, newest last.
	Lines []string `json:"lines,omitempty"`
	Exit  *Exit    `json:"exit,omitempty"`
	// Final says that another attempt is pointless.
	Final bool `json:"final,omitempty"`
	// Loss is set where an Undo was refused because it would lose data, more than
	// the plan allows: what, in words. A person may accept it.
	Loss string `json:"loss,omitempty"`
	// Away says that the target cannot be reached, so nothing has begun there.
	Away bool `json:"away,omitempty"`
}

// Is makes a failure with Away ErrAway.
func (f *Failure) Is(target error) bool { return f.Away && target == ErrAway }

// Error returns the summary.
func (f *Failure) Error() string { return f.Summary }

// Executor identifies the process that carries out a run, so that others on the
// same machine can prove whether it still lives.
type Executor struct {
	ID   string `json:"id"`
	Host string `json:"host"`
	PID  int    `json:"pid"`
	// Start is the process's start time in clock ticks since boot.
	Start uint64 `json:"start"`
	// Boot is the machine's boot id.
	Boot string `json:"boot"`
	// Namespace is the pid namespace that PID counts in; empty is unknown.
	Namespace string `json:"namespace,omitempty"`
	// Binary is the version of ripcord that executes.
	Binary string `json:"binary,omitempty"`
	// Keeper says that the run is carried out in the background.
	Keeper bool `json:"keeper,omitempty"`
}

// Journal is the append-only record.
type Journal interface {
	// Append makes the entries durable, all or none, in order, before it
	// returns. All belong to one run and carry the fence of its lease: an older
	// one than the run's newest lease gets ErrFenced.
	Append(ctx context.Context, entries ...Entry) error
	// Entries yields the run's entries with Seq > after, in order.
	Entries(ctx context.Context, run RunID, after uint64) iter.Seq2[Entry, error]
}

// Seal returns e as the successor of the entry with hash prev: numbered, linked
// and hashed. The hash is SHA-256 over the entry's JSON without its Hash.
func Seal(e Entry, seq uint64, prev string) (Entry, error) {
	e.Seq, e.Prev, e.Hash = seq, prev, ""
	e.At = e.At.UTC()
	data, err := json.Marshal(e)
	if err != nil {
		return e, fmt.Errorf("entry %s: %w", e.Kind, err)
	}
	sum := sha256.Sum256(data)
	e.Hash = hex.EncodeToString(sum[:])
	return e, nil
}

// Ends reports whether the kind of entry ends its run.
func (k EntryKind) Ends() bool {
	return k == RunSucceeded || k == RunRolledBack || k == RunClosed
}
