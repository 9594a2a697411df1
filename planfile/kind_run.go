package planfile

import (
	"github.com/ripcord-dev/ripcord"
)

// scriptSettings are those of run and manual steps.
type scriptSettings struct {
	Command          []string          `json:"command,omitempty"`
	Undo             []string          `json:"undo,omitempty"`
	UndoIdempotent   bool              `json:"undo_idempotent,omitempty"`
	Check            []string          `json:"check,omitempty"`
	Idempotent       bool              `json:"idempotent,omitempty"`
	Changes          string            `json:"changes,omitempty"`
	Directory        string            `json:"directory,omitempty"`
	Environment      map[string]string `json:"environment,omitempty"`
	User             string            `json:"user,omitempty"`
	SensitiveOutputs []string          `json:"sensitive_outputs,omitempty"`
	OutputLimit      int64             `json:"output_limit,omitempty"`
	Grace            ripcord.Duration  `json:"grace,omitempty"`
	Machine          string            `json:"machine,omitempty"`
}

// on is the same command on one machine.
func (s *scriptSettings) on(machine string) any {
	other := *s
	other.Machine = machine
	return &other
}

// readRun reads a run step: a command, or a map with one.
func (d *decoder) readRun(s *step, n *node) {
	set := &scriptSettings{}
	s.settings = set
	if n.kind != mapNode {
		set.Command = d.command(n, "run")
		return
	}
	d.object(n, "run", "a run step", fields{
		"command":           func(n *node) { set.Command = d.command(n, "command") },
		"undo":              func(n *node) { d.readUndo(set, n) },
		"check":             func(n *node) { set.Check = d.command(n, "check") },
		"idempotent":        func(n *node) { set.Idempotent = d.boolean(n, "idempotent") },
		"changes":           func(n *node) { set.Changes = d.word(n, "changes", "nothing") },
		"directory":         func(n *node) { set.Directory = d.filled(n, "directory") },
		"environment":       func(n *node) { set.Environment = d.environmentOf(n) },
		"user":              func(n *node) { set.User = d.filled(n, "user") },
		"sensitive_outputs": func(n *node) { set.SensitiveOutputs = d.texts(n, "sensitive_outputs") },
		"output_limit":      func(n *node) { set.OutputLimit = d.size(n, "output_limit") },
		"grace":             func(n *node) { set.Grace = d.duration(n, "grace") },
		"machine":           func(n *node) { set.Machine = d.machineName(n) },
		"machines":          func(n *node) { s.machines = d.machineNames(n) },
		"parallel":          func(n *node) { s.parallel = d.integer(n, "parallel", 1, 100) },
	})
	d.checkMachines(s, set, n)
	d.missing(n, "command", "add `command: ./release.sh`", "the run step has no command")
	if undo := n.field("undo"); undo != nil && set.Changes == "nothing" {
		d.add(undo.at, 1, "remove undo, or remove changes", "a step that changes nothing has nothing to undo")
	}
}

// checkMachines refuses what goes with no machine, or not with several.
func (d *decoder) checkMachines(s *step, set *scriptSettings, n *node) {
	one, several, parallel := n.field("machine"), n.field("machines"), n.field("parallel")
	switch {
	case one != nil && several != nil:
		d.add(several.at, 1, "keep one of them", "the run step has machine and machines")
	case parallel != nil && several == nil:
		d.add(parallel.at, parallel.width(), "add machines, or remove it", "parallel limits on how many machines the command runs at once, but it runs on one")
	}
	if user := n.field("user"); user != nil && (one != nil || several != nil) {
		d.add(user.at, firstLine(user), "remove it, and log in as that user: `machines: {NAME: {ssh: USER@HOST}}`", "on another machine commands run as who logs in")
	}
	if len(s.machines) == 1 {
		set.Machine, s.machines = s.machines[0], nil
	}
}

// readUndo reads a command, or {command, idempotent}.
func (d *decoder) readUndo(set *scriptSettings, n *node) {
	if n.kind != mapNode {
		set.Undo = d.command(n, "undo")
		return
	}
	d.object(n, "undo", "undo", fields{
		"command":    func(n *node) { set.Undo = d.command(n, "command") },
		"idempotent": func(n *node) { set.UndoIdempotent = d.boolean(n, "idempotent") },
	})
	d.missing(n, "command", "add `command: ./unrelease.sh`", "undo has no command")
}

// readManual reads a manual step: instructions, or a map with them.
func (d *decoder) readManual(s *step, n *node) {
	set := &scriptSettings{}
	s.settings = set
	s.ask = &ripcord.Ask{}
	if n.kind != mapNode {
		s.ask.Apply = d.question(n, "manual")
		return
	}
	d.object(n, "manual", "a manual step", fields{
		"instructions": func(n *node) { s.ask.Apply = d.question(n, "instructions") },
		"undo":         func(n *node) { s.ask.Undo = d.question(n, "undo") },
		"check":        func(n *node) { set.Check = d.command(n, "check") },
		"changes":      func(n *node) { set.Changes = d.word(n, "changes", "nothing") },
		"directory":    func(n *node) { set.Directory = d.filled(n, "directory") },
		"environment":  func(n *node) { set.Environment = d.environmentOf(n) },
	})
	d.missing(n, "instructions", "add `instructions: what the person has to do`", "the manual step has no instructions")
	if undo := n.field("undo"); undo != nil && set.Changes == "nothing" {
		d.add(undo.at, 1, "remove undo, or remove changes", "a step that changes nothing has nothing to undo")
	}
}
