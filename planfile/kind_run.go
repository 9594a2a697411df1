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
	})
	d.missing(n, "command", "add `command: ./release.sh`", "the run step has no command")
	if undo := n.field("undo"); undo != nil && set.Changes == "nothing" {
		d.add(undo.at, 1, "remove undo, or remove changes", "a step that changes nothing has nothing to undo")
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
