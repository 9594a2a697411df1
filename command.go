package ripcord

import (
	"context"
	"io"
	"time"
)

// Command is an external command to run to its end.
type Command struct {
	// Key names this very execution, for example "RUN/STEP/apply/1". A command
	// whose executor died is found again by it.
	Key  string
	Args []string
	Dir  string
	// Env is the whole environment, "NAME=value", with secrets resolved. It is
	// never written to disk.
	Env []string
	// User runs the command as somebody else ("name" or "uid:gid"); empty is us.
	User string
	// Secrets are values that are removed from the output.
	Secrets []string
	// Output receives what the command prints, without secrets, while it runs.
	Output io.Writer
	// Timeout stops the command; 0 is no limit. It holds while no executor lives.
	Timeout time.Duration
	// Grace is the time between SIGTERM and SIGKILL to the process group.
	Grace time.Duration
	// OutputLimit caps the kept output in bytes; 0 is the default of 16 MiB.
	OutputLimit int64
}

// Exit is how a command ended.
type Exit struct {
	Code int `json:"code"`
	// Signal is the signal that ended it, for example "killed"; empty if none.
	Signal    string    `json:"signal,omitempty"`
	TimedOut  bool      `json:"timed_out,omitempty"`
	Cancelled bool      `json:"cancelled,omitempty"`
	StartedAt time.Time `json:"started_at"`
	EndedAt   time.Time `json:"ended_at"`
	// MaxRSS is the largest resident set in bytes.
	MaxRSS int64 `json:"max_rss,omitempty"`
	// Tail is the last lines of the output, without secrets.
	Tail []string `json:"tail,omitempty"`
}

// Commands runs external commands so that they, their whole process group and
// their result are found again after the executor died.
type Commands interface {
	// Run starts the command and waits. The context's end stops its whole
	// process group, and Run returns only when nothing of it is left. The error
	// is for commands that could not be started; an exit status is no error.
	Run(ctx context.Context, c Command) (Exit, error)
	// Resume waits for the command that a dead executor started under this key,
	// or reads its result. It returns ErrLost when no result can be proved;
	// nothing of the command runs any more then.
	Resume(ctx context.Context, c Command) (Exit, error)
}

// Supervisor keeps long-running instances alive, also when no run is going on.
type Supervisor interface {
	// Start makes the instance wanted and running. It is idempotent by ID: an
	// instance that runs with the same spec is left alone.
	Start(ctx context.Context, i Instance) error
	// Stop makes the instance unwanted and returns when none of its processes
	// is left: SIGTERM, then SIGKILL after the instance's grace. It is
	// idempotent.
	Stop(ctx context.Context, id string) error
	// List returns all wanted instances whose ID starts with prefix, by ID. One whose
	// Stop did not come to its end is among them.
	List(ctx context.Context, prefix string) ([]InstanceStatus, error)
	// Recall returns a wanted instance as it was started, to start it again after
	// a Stop. It may hold secrets.
	Recall(ctx context.Context, id string) (Instance, error)
	// Tail returns the newest lines of the instance's log since it was last made
	// wanted: those of an earlier one with the same ID are not among them.
	Tail(ctx context.Context, id string, lines int) ([]string, error)
}

// Instance is one supervised process.
type Instance struct {
	// ID is unique in the state directory, "application/environment/service/colour/n".
	ID     string            `json:"id"`
	Args   []string          `json:"args"`
	Dir    string            `json:"dir"`
	Env    []string          `json:"env,omitempty"`
	User   string            `json:"user,omitempty"`
	Labels map[string]string `json:"labels,omitempty"`
	// Secrets are values that are removed from the log.
	Secrets []string `json:"secrets,omitempty"`
	// Grace is the time between SIGTERM and SIGKILL.
	Grace Duration `json:"grace,omitempty"`
	// LogLimit is the size in bytes at which the log is rotated; 0 is 10 MiB.
	LogLimit int64 `json:"log_limit,omitempty"`
}

// InstanceStatus is what the supervisor knows of an instance.
type InstanceStatus struct {
	ID      string            `json:"id"`
	Labels  map[string]string `json:"labels,omitempty"`
	Running bool              `json:"running"`
	PID     int               `json:"pid,omitempty"`
	// StartedAt is when the newest process started.
	StartedAt time.Time `json:"started_at,omitzero"`
	Restarts  int       `json:"restarts"`
	// LastExit is how the process before this one ended.
	LastExit *Exit `json:"last_exit,omitempty"`
	// Log is the path of the newest log file.
	Log string `json:"log,omitempty"`
}

// Blobs keeps bytes beside the journal, encrypted.
type Blobs interface {
	// Put stores everything from r durably and returns its reference. Equal
	// bytes give an equal Digest within one state directory.
	Put(ctx context.Context, run RunID, name string, r io.Reader) (BlobRef, error)
	// Open reads a blob; the reader fails at its end if bytes were changed.
	Open(ctx context.Context, ref BlobRef) (io.ReadCloser, error)
	// Delete removes a blob; one that is gone is no error.
	Delete(ctx context.Context, ref BlobRef) error
	// Digest returns the keyed digest that Put would give these bytes.
	Digest(data []byte) string
}

// BlobRef names a blob.
type BlobRef struct {
	// Path is relative to the blob folder.
	Path string `json:"path"`
	// Digest is keyed (HMAC-SHA-256), so that it does not give short secrets away.
	Digest string `json:"digest"`
	Size   int64  `json:"size"`
}

// Secrets resolves ${secret:NAME} references at the moment of use.
type Secrets interface {
	// Expand replaces each reference in text. It returns the values it put in,
	// so that output can be cleaned of them.
	Expand(ctx context.Context, text string) (expanded string, values []string, err error)
}
