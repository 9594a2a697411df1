package shim

import (
	"time"
)

// spec is what the shim is told through its standard input.
type spec struct {
	Key string `json:"key"`
	// Path is the executable, found already.
	Path    string   `json:"path"`
	Args    []string `json:"args"`
	Dir     string   `json:"dir"`
	Env     []string `json:"env"`
	Secrets []string `json:"secrets"`
	// User is nil for the shim's own user.
	User *credential `json:"user,omitempty"`
	// Timeout 0 is none.
	Timeout time.Duration `json:"timeout"`
	Grace   time.Duration `json:"grace"`
	// OutputLimit is in bytes.
	OutputLimit int64 `json:"output_limit"`
	// Instance, when not nil, makes the command an instance.
	Instance *rotation `json:"instance,omitempty"`
	// Leashed commands do not outlive their executor, and leave no files.
	Leashed bool `json:"leashed,omitempty"`
	// FailAt kills the shim right after the named durable write. Only tests of
	// this package can set it.
	FailAt string `json:"fail_at,omitempty"`
}

// rotation is how an instance's log is kept.
type rotation struct {
	// Limit is the size in bytes at which the log is rotated.
	Limit int64 `json:"limit"`
	// Keep is how many rotated files stay.
	Keep int `json:"keep"`
}

// credential is whom a command runs as.
type credential struct {
	UID    uint32   `json:"uid"`
	GID    uint32   `json:"gid"`
	Groups []uint32 `json:"groups"`
}

// The defaults of a command.
const (
	defaultOutputLimit = 16 << 20
	defaultLogLimit    = 10 << 20
	defaultLogKeep     = 3
	defaultGrace       = 10 * time.Second
)
