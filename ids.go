package ripcord

// RunID names a run. Ids sort by the time that the run was planned.
type RunID string

// StepID names a step within its plan.
type StepID string

// Key returns the idempotency key of a step's effect. It is stable over retries
// and over restarts of the executor.
func Key(run RunID, step StepID) string { return string(run) + "/" + string(step) }
