package service

import (
	"strings"
	"time"

	"github.com/ripcord-dev/ripcord"
	"github.com/ripcord-dev/ripcord/adapter/internal/health"
)

// Health says when an instance is healthy: when it starts, by StartTimeout,
// Successes and Stable; later on, by Failures and Flapping. At most one of HTTP,
// TCP, GRPC, SQL and Command says how it is asked; with none, an instance is
// healthy when it runs: a worker need not listen.
type Health struct {
	// HTTP is a path that answers with a status of 2xx.
	HTTP string `json:"http,omitempty"`
	// TCP only connects.
	TCP bool `json:"tcp,omitempty"`
	// GRPC asks the standard health service; its address is the instance's.
	GRPC *health.GRPC `json:"grpc,omitempty"`
	// SQL asks a database, and Command is executed beside Ripcord; in the URL and
	// in the words stand ${instance.address} and ${instance.port}.
	SQL     *health.SQL `json:"sql,omitempty"`
	Command []string    `json:"command,omitempty"`
	// Interval is the time between two probes; 0 is 0.2 s.
	Interval ripcord.Duration `json:"interval,omitempty"`
	// Timeout ends one probe; 0 is 2 s.
	Timeout ripcord.Duration `json:"timeout,omitempty"`
	// StartTimeout is how long an instance may take to become healthy; 0 is 30 s.
	StartTimeout ripcord.Duration `json:"start_timeout,omitempty"`
	// Successes is how many probes in a row make an instance healthy; 0 is 2.
	Successes int `json:"successes,omitempty"`
	// Stable is how long such a row must last; 0 asks no more than Successes.
	Stable ripcord.Duration `json:"stable,omitempty"`
	// Failures is how many bad probes in a row make a healthy instance unhealthy;
	// those who watch it keep to it.
	Failures int             `json:"failures,omitempty"`
	Flapping health.Flapping `json:"flapping,omitzero"`

	asker health.Asker
}

// Use hands over what commands and references to secrets need. Environ gives the
// executor's own environment, for commands.
func (h *Health) Use(scope ripcord.Scope, step ripcord.StepID, environ func() []string) {
	h.asker = health.Asker{Scope: scope, Step: step, Environ: environ}
}

// Complete fills in the defaults.
func (h *Health) Complete() {
	Default(&h.Interval, 200*time.Millisecond)
	Default(&h.Timeout, 2*time.Second)
	Default(&h.StartTimeout, 30*time.Second)
	if h.Successes == 0 {
		h.Successes = 2
	}
	if h.Failures == 0 {
		h.Failures = 3
	}
	h.Flapping.Complete()
}

// steadiness judges an instance's answers while it starts.
func (h *Health) steadiness() health.Steadiness {
	return health.Steadiness{Row: health.Row(h.Successes, h.Stable.Std(), h.Interval.Std()), Flapping: h.Flapping}
}

// silent says that nobody said how to ask.
func (h *Health) silent() bool {
	return h.HTTP == "" && !h.TCP && h.GRPC == nil && h.SQL == nil && h.Command == nil
}

// Refuse refuses what cannot be asked.
func (h *Health) Refuse(wrong Problem) error {
	kinds := 0
	for _, is := range []bool{h.HTTP != "", h.TCP, h.GRPC != nil, h.SQL != nil, h.Command != nil} {
		if is {
			kinds++
		}
	}
	switch {
	case kinds > 1:
		return wrong("keep one of them", "health has more than one of http, tcp, grpc, sql and command")
	case h.HTTP != "" && !strings.HasPrefix(h.HTTP, "/") && !Open(h.HTTP):
		return wrong("begin the path with a slash", "health.http is %q", h.HTTP)
	case h.GRPC != nil && h.GRPC.Address != "":
		return wrong("leave the address out", "health.grpc asks the instance, and has an address of its own")
	case h.Successes < 0 || h.Failures < 0 || h.Interval < 0 || h.Timeout < 0 || h.StartTimeout < 0 || h.Stable < 0:
		return wrong("use positive numbers", "a time or number of health is negative")
	case h.Stable > h.StartTimeout:
		return wrong("raise start_timeout above stable", "health.stable is %s, longer than start_timeout, which is %s", h.Stable, h.StartTimeout)
	}
	if err := h.Flapping.Refuse("health"); err != nil {
		return wrong("write 2 changes at least, within more answers than that", "%v", err)
	}
	if h.silent() || h.HTTP != "" || h.TCP {
		return nil
	}
	set := h.question("127.0.0.1:1")
	if err := set.Complete("health"); err != nil {
		return wrong("compare it with the settings of a check", "%v", err)
	}
	return nil
}

// question is what an instance is asked that is not asked over HTTP or TCP.
func (h *Health) question(address string) health.Settings {
	return health.Settings{Targets: address, GRPC: h.GRPC, SQL: h.SQL, Command: h.Command, AttemptTimeout: h.Timeout}
}
