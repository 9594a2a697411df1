//go:build !crashpoint

package app

import (
	"time"

	"github.com/ripcord-dev/ripcord/engine/local"
)

// boundary does nothing in a binary for users. Built with the tag crashpoint, the
// binary can be told to die at a boundary of the journal, for the e2e stories.
type boundary struct{}

func newBoundary(Options) boundary { return boundary{} }

func (boundary) before() {}

func (boundary) after() {}

func (boundary) journal(j local.Journal) local.Journal { return j }

// grace is how long an interrupted run waits for a person.
func (boundary) grace() time.Duration { return orphanGrace }
