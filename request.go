package ripcord

import "time"

// Verb is what a request asks for.
type Verb string

// The verbs of requests, strongest first.
const (
	VerbAbort    Verb = "abort"    // stop now, then roll back
	VerbRollback Verb = "rollback" // let what runs end, then roll back
	VerbClose    Verb = "close"    // end the run as it is; a person finished by hand
	VerbHold     Verb = "hold"     // stop now and wait for a person
	VerbPause    Verb = "pause"    // start nothing new
	VerbResume   Verb = "resume"   // end a pause
	VerbRetry    Verb = "retry"    // end a hold: try the failed step again
	VerbSkip     Verb = "skip"     // end a hold: leave the failed step as it is
	VerbApprove  Verb = "approve"  // answer a step's question
	VerbReject   Verb = "reject"   // answer it with no
)

// Request asks something of a run. It is stored in the request table by any
// process; the run's executor turns it into an entry. Repeats are no-ops.
type Request struct {
	// ID is set by the store and grows.
	ID     int64     `json:"id"`
	Run    RunID     `json:"run"`
	Verb   Verb      `json:"verb"`
	Step   StepID    `json:"step,omitempty"`
	Who    string    `json:"who"`
	Reason string    `json:"reason,omitempty"`
	At     time.Time `json:"at"`
	// Refused says why the request had no effect; empty when it had one.
	Refused string `json:"refused,omitempty"`
}
