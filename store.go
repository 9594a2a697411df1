package ripcord

import (
	"context"
	"time"
)

// Lease is an executor's right to write to a run until it expires.
type Lease struct {
	Run      RunID     `json:"run"`
	Executor Executor  `json:"executor"`
	Fence    uint64    `json:"fence"`
	Expires  time.Time `json:"expires"`
}

// Runs begins runs and finds them.
type Runs interface {
	// Begin plans a run: it takes the environment's lock and the first lease,
	// and appends planned (a RunPlanned entry with its plan), all in one
	// transaction. Where the lock belongs to an unfinished run, the error is
	// CodeRefused and names it; where that run has no living lease, the error
	// is CodeInterrupted. The lock is freed by the entry that ends the run.
	Begin(ctx context.Context, planned Entry, by Executor, ttl time.Duration) (Lease, error)
	// Run returns one run; CodeNotFound if there is none. The id may be
	// shortened to any unique prefix.
	Run(ctx context.Context, id RunID) (Summary, error)
	// Runs returns runs, newest first.
	Runs(ctx context.Context, f Filter) ([]Summary, error)
	// LastGood returns the environment's last good release; CodeNotFound if
	// there is none. It changes with the entry RunCommitted, atomically.
	LastGood(ctx context.Context, application, environment string) (Summary, error)
}

// Filter selects runs. Empty fields select all.
type Filter struct {
	Application string
	Environment string
	Unfinished  bool
	Limit       int
}

// Leases hands out the right to execute.
type Leases interface {
	// Acquire gives the run's lease to by, with the next fence. It fails with
	// CodeRefused while another executor's lease has not expired, unless that
	// lease has the fence gone: the caller has proved that its executor lives no
	// more. Somebody else may have taken the run over in the meantime; 0 claims
	// nothing.
	Acquire(ctx context.Context, run RunID, by Executor, ttl time.Duration, gone uint64) (Lease, error)
	// Renew extends a lease; ErrFenced when it was given to somebody else.
	Renew(ctx context.Context, l Lease, ttl time.Duration) (Lease, error)
	// Release ends a lease early; a lease that was lost is no error.
	Release(ctx context.Context, l Lease) error
	// Holder returns the run's newest lease, expired or not; ok is false when
	// there is none or it was released.
	Holder(ctx context.Context, run RunID) (l Lease, ok bool, err error)
}

// Requests carries what people ask of runs.
type Requests interface {
	// Ask stores a request durably and returns it with its ID.
	Ask(ctx context.Context, r Request) (Request, error)
	// Requests returns the run's requests with an ID above after, oldest first.
	Requests(ctx context.Context, run RunID, after int64) ([]Request, error)
}

// Store is the whole contract of a journal's home.
type Store interface {
	Journal
	Runs
	Leases
	Requests
	// StateID identifies this state directory for stamps; it never changes.
	StateID() string
	Close() error
}
