package ripcord

import (
	"encoding/json"
	"fmt"
	"slices"
)

// PlanVersion is the version of Plan's JSON form that this binary writes. A newer
// binary reads all older ones.
const PlanVersion = 1

// DefaultRetention is how many releases of an application and environment stay
// where the plan says nothing else.
const DefaultRetention = 20

// Purpose says why a run exists.
type Purpose string

// The purposes of a run.
const (
	// PurposeRelease brings a version to an environment.
	PurposeRelease Purpose = "release"
	// PurposeRollback takes committed releases back, newest first.
	PurposeRollback Purpose = "rollback"
	// PurposeAdopt records what runs today as last good, without any effect.
	PurposeAdopt Purpose = "adopt"
)

// Plan is everything that a run does, as data. It is frozen in the journal when
// the run starts and never read from disk again.
type Plan struct {
	PlanVersion int     `json:"plan_version"`
	Purpose     Purpose `json:"purpose"`
	Application string  `json:"application"`
	Environment string  `json:"environment"`
	// Version is the application's version that is released; empty where a
	// rollback leaves nothing released.
	Version string `json:"version"`
	// Directory is the absolute folder of the plan file; commands run in it.
	Directory string     `json:"directory"`
	Steps     []StepSpec `json:"steps"`
	// Retention is how many releases of the application and environment stay when
	// the run has ended; 0 is DefaultRetention.
	Retention int `json:"retention,omitempty"`
	// Parallel is how many steps may run at once, at least 1.
	Parallel  int           `json:"parallel"`
	OnFailure FailurePolicy `json:"on_failure"`
	OnCancel  CancelPolicy  `json:"on_cancel"`
	// Secrets says where the value of each referenced secret comes from.
	Secrets map[string]SecretSource `json:"secrets,omitempty"`
	// Machines are the other machines that steps have effects on, by name.
	Machines map[string]MachineSpec `json:"machines,omitempty"`
	// Bundle lists further files and folders, relative to Directory, that the
	// way back needs, beside those that steps name themselves.
	Bundle []string `json:"bundle,omitempty"`
	// Reverts lists the runs that a rollback run takes back, newest first.
	Reverts []RunID `json:"reverts,omitempty"`
	// Returns is the release that a rollback run makes last good again; empty
	// when nothing is left.
	Returns RunID `json:"returns,omitempty"`
	// From is the earlier run whose bundle this run uses instead of capturing
	// files anew; empty captures.
	From RunID `json:"from,omitempty"`
	// Revision is the source revision that the plan file came from, where known.
	Revision string `json:"revision,omitempty"`
}

// SecretSource says where a secret's value comes from. Exactly one field is set.
type SecretSource struct {
	Env     string   `json:"env,omitempty"`
	File    string   `json:"file,omitempty"`
	Command []string `json:"command,omitempty"`
}

// MachineSpec is another machine and how it is reached, as data. Its paths are
// absolute, so that a later executor finds the same files.
type MachineSpec struct {
	// SSH is who logs in and where, "user@host:port". Without a user it is the
	// one who runs Ripcord, without a port 22.
	SSH string `json:"ssh"`
	// Address is where its services are reached from other machines; empty is
	// the host of SSH.
	Address string `json:"address,omitempty"`
	// Identity are private key files. A certificate lies beside its key as
	// PATH-cert.pub.
	Identity []string `json:"identity,omitempty"`
	// Passphrase opens the key files; it may hold ${secret:NAME}.
	Passphrase string `json:"passphrase,omitempty"`
	// KnownHosts are files with the host keys that are right, in OpenSSH's form.
	KnownHosts []string `json:"known_hosts,omitempty"`
	// Jump is the machine that connections go through; empty goes directly.
	Jump string `json:"jump,omitempty"`
	// Sudo says that everything there is done as root, by sudo without a password.
	Sudo bool `json:"sudo,omitempty"`
}

// FailureAction is what a run does when a step has failed for good.
type FailureAction string

// The failure actions.
const (
	// FailRollback takes back what was done.
	FailRollback FailureAction = "rollback"
	// FailHold waits for a person.
	FailHold FailureAction = "hold"
)

// FailurePolicy says what happens when a step has failed for good.
type FailurePolicy struct {
	Action FailureAction `json:"action"`
	// Hold is how long a hold lasts; 0 waits without end.
	Hold Duration `json:"hold,omitempty"`
	// Then is what happens when Hold has passed.
	Then FailureAction `json:"then,omitempty"`
}

// CancelPolicy says what Ctrl-C and SIGTERM do to a run.
type CancelPolicy string

// The cancel policies.
const (
	// CancelRollback stops and goes back.
	CancelRollback CancelPolicy = "rollback"
	// CancelHold stops and waits for a person.
	CancelHold CancelPolicy = "hold"
	// CancelContinue leaves the run to the keeper.
	CancelContinue CancelPolicy = "continue"
)

// Retry says how often a failed attempt is repeated, and after which pause.
type Retry struct {
	// Attempts is the number of tries in all, at least 1.
	Attempts int `json:"attempts"`
	// Backoff is the pause before the second attempt; it doubles each time up
	// to MaxBackoff.
	Backoff    Duration `json:"backoff,omitempty"`
	MaxBackoff Duration `json:"max_backoff,omitempty"`
}

// Ask makes a step wait for a person's word.
type Ask struct {
	// Apply is what the person is asked before Apply; empty asks nothing.
	Apply string `json:"apply,omitempty"`
	// Undo is what the person is asked before Undo; empty asks nothing.
	Undo string `json:"undo,omitempty"`
}

// StepSpec is one step of a plan, as data.
type StepSpec struct {
	ID StepID `json:"id"`
	// Kind is the plan file's word for the step: run, files, deploy, shift ...
	Kind string `json:"kind"`
	// Adapter is the Kind() of the adapter that carries the step out.
	Adapter string `json:"adapter"`
	// Needs lists the steps that come before this one.
	Needs []StepID `json:"needs,omitempty"`
	// Until makes the step stand beside others: it takes up no place of
	// Plan.Parallel, Attempt.Enough tells it when these have all passed, and a
	// watch step among them does not wait for it.
	Until []StepID `json:"until,omitempty"`
	// Timeout limits one attempt; 0 is no limit.
	Timeout Duration `json:"timeout,omitempty"`
	Retry   Retry    `json:"retry"`
	// Settings are the adapter's own. Their strings may hold references:
	// ${secret:NAME} is resolved by the adapter at use, and
	// ${steps.NAME.outputs.KEY} by the executor before Open.
	Settings json.RawMessage `json:"settings,omitempty"`
	Ask      *Ask            `json:"ask,omitempty"`
	// Skip, when not empty, is why the step is not executed ("when" was false).
	Skip string `json:"skip,omitempty"`
	// Dependencies are what the step's subject needs and this step does not bring
	// about, what lies deepest first.
	Dependencies []Dependency `json:"dependencies,omitempty"`
	// Traits are what the adapter said of this step when the plan was frozen.
	Traits Traits `json:"traits"`
	// Line is the step's line in the plan file, 0 where there is none.
	Line int `json:"line,omitempty"`
}

// Dependency is something that a service needs: another service or a database.
type Dependency struct {
	// Name is how the plan file calls it.
	Name string `json:"name"`
	// Of is the service, or the step, that needs it.
	Of string `json:"of"`
	// Adapter opens Settings as a step that is a Prober.
	Adapter  string          `json:"adapter"`
	Settings json.RawMessage `json:"settings"`
}

// Step returns the step named id, or nil.
func (p *Plan) Step(id StepID) *StepSpec {
	for i := range p.Steps {
		if p.Steps[i].ID == id {
			return &p.Steps[i]
		}
	}
	return nil
}

// Validate reports the first thing that no engine could execute: a missing or
// doubled id, a need that names no step, or a cycle.
func (p *Plan) Validate() error {
	if p.PlanVersion > PlanVersion {
		return Errorf(CodePlan, "plan version %d is newer than this binary (%d); use a newer ripcord", p.PlanVersion, PlanVersion)
	}
	if p.Application == "" || p.Environment == "" {
		return Errorf(CodePlan, "the plan names no application or environment")
	}
	seen := make(map[StepID]bool, len(p.Steps))
	for i := range p.Steps {
		id := p.Steps[i].ID
		if id == "" {
			return Errorf(CodePlan, "step %d has no id", i+1)
		}
		if seen[id] {
			return Errorf(CodePlan, "two steps are named %q", id)
		}
		seen[id] = true
	}
	for i := range p.Steps {
		for _, need := range p.Steps[i].after() {
			if !seen[need] {
				return Errorf(CodePlan, "step %q needs %q, which is not a step", p.Steps[i].ID, need)
			}
		}
	}
	if cycle := p.cycle(); cycle != nil {
		return Errorf(CodePlan, "steps need one another in a circle: %v", cycle)
	}
	return nil
}

// after lists the steps without which this one cannot end.
func (s *StepSpec) after() []StepID {
	if len(s.Until) == 0 {
		return s.Needs
	}
	return slices.Concat(s.Needs, s.Until)
}

// cycle returns the steps of one circle of needs, or nil.
func (p *Plan) cycle() []StepID {
	const visiting, done = 1, 2
	mark := make(map[StepID]int, len(p.Steps))
	var path []StepID
	var visit func(id StepID) []StepID
	visit = func(id StepID) []StepID {
		switch mark[id] {
		case done:
			return nil
		case visiting:
			return append(slices.Clone(path[slices.Index(path, id):]), id)
		}
		mark[id] = visiting
		path = append(path, id)
		for _, need := range p.Step(id).after() {
			if found := visit(need); found != nil {
				return found
			}
		}
		path = path[:len(path)-1]
		mark[id] = done
		return nil
	}
	for i := range p.Steps {
		if found := visit(p.Steps[i].ID); found != nil {
			return found
		}
	}
	return nil
}

// Name returns how people call the release: "shop v2 in production".
func (p *Plan) Name() string {
	if p.Version == "" {
		return fmt.Sprintf("%s in %s", p.Application, p.Environment)
	}
	return fmt.Sprintf("%s %s in %s", p.Application, p.Version, p.Environment)
}
