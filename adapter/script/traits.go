package script

import (
	"context"

	"github.com/ripcord-dev/ripcord"
)

// Traits follow from what the settings declare.
func (s *Step) Traits() ripcord.Traits {
	checkable, nothing := s.settings.Check != nil, s.changesNothing()
	if s.isManual() {
		// Our part of it, asking the check, may be repeated at will.
		return ripcord.Traits{Checkable: checkable, Idempotent: true, UndoIdempotent: true, Reversal: s.reversal()}
	}
	return ripcord.Traits{
		Checkable:      checkable,
		Idempotent:     s.settings.Idempotent || nothing,
		UndoIdempotent: s.settings.UndoIdempotent || checkable || nothing,
		Finishes:       s.settings.User != "" || s.away(),
		Reversal:       s.reversal(),
	}
}

func (s *Step) isManual() bool       { return s.settings.Command == nil }
func (s *Step) changesNothing() bool { return s.settings.Changes == "nothing" }

func (s *Step) reversal() ripcord.Reversal {
	if s.changesNothing() {
		return ripcord.Reversal{Way: ripcord.WayNothing}
	}
	how := s.undoText()
	switch {
	case how == "":
		return ripcord.Reversal{Way: ripcord.WayNone}
	case s.settings.Check == nil:
		return ripcord.Reversal{Way: ripcord.WayUnverified, How: how}
	default:
		return ripcord.Reversal{Way: ripcord.WayExact, How: how}
	}
}

// undoText is what a person would do by hand; empty when there is no way back.
func (s *Step) undoText() string {
	if s.isManual() {
		if s.spec.Ask == nil {
			return ""
		}
		return s.spec.Ask.Undo
	}
	if s.settings.Undo == nil {
		return ""
	}
	line := quoted(s.settings.Undo)
	if s.settings.User != "" {
		line = "as user " + s.settings.User + ": " + line
	}
	if s.away() {
		if s.settings.Directory != "" {
			line = "in " + s.settings.Directory + ": " + line
		}
		return "on machine " + s.settings.Machine + ", " + line
	}
	if dir := s.directory(); dir != "" {
		line = "in " + dir + ": " + line
	}
	return line
}

// Explain says what runs.
func (s *Step) Explain(context.Context) (string, error) {
	text := "runs " + shown(s.settings.Command)
	if s.away() {
		text += " on machine " + s.settings.Machine
	}
	if s.isManual() {
		text = "a person does it"
		if s.spec.Ask != nil && s.spec.Ask.Apply != "" {
			text += ": " + s.spec.Ask.Apply
		}
	}
	switch {
	case s.changesNothing():
		return text + "; it changes nothing", nil
	case s.isManual() && s.undoText() != "":
		return text + "; undo: " + s.undoText(), nil
	case s.settings.Undo != nil:
		return text + "; undo: " + shown(s.settings.Undo), nil
	default:
		return text + "; there is no undo", nil
	}
}
