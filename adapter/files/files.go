package files

import (
	"context"
	"fmt"

	"github.com/ripcord-dev/ripcord"
)

// Kind is the adapter's name in a StepSpec.
const Kind = "files"

// Limits bound what one step reads. The zero value of a field is its default.
type Limits struct {
	// Entries is the largest number of files, links and folders; default 100,000.
	Entries int
	// Bytes is the largest sum of file sizes in bytes; default 4 GiB.
	Bytes int64
	// TemplateBytes is the largest template, before and after it is filled in;
	// default 1 MiB.
	TemplateBytes int64
}

// Options configure the adapter.
type Options struct{ Limits Limits }

// Adapter opens steps that write files.
type Adapter struct{ limits Limits }

// New returns the adapter.
func New(o Options) *Adapter {
	l := o.Limits
	if l.Entries == 0 {
		l.Entries = 100_000
	}
	if l.Bytes == 0 {
		l.Bytes = 4 << 30
	}
	if l.TemplateBytes == 0 {
		l.TemplateBytes = 1 << 20
	}
	return &Adapter{limits: l}
}

// Kind implements ripcord.Adapter.
func (a *Adapter) Kind() string { return Kind }

// Open implements ripcord.Adapter.
func (a *Adapter) Open(_ context.Context, spec ripcord.StepSpec, scope ripcord.Scope) (ripcord.Step, error) {
	set, err := parse(spec.Settings)
	if err != nil {
		return nil, err
	}
	if err := set.validate(); err != nil {
		return nil, err
	}
	return &Step{set: set, scope: scope, id: spec.ID, limits: a.limits}, nil
}

// Step is one set of files at its destination.
type Step struct {
	set    settings
	scope  ripcord.Scope
	id     ripcord.StepID
	limits Limits
	// stampLater is a stamp that waits for the folder that will hold it.
	stampLater *ripcord.Stamp
}

// Traits implements ripcord.Describer.
func (s *Step) Traits() ripcord.Traits {
	t := ripcord.DefaultTraits()
	t.Prepares, t.Keeps = true, true
	t.Reversal.How = fmt.Sprintf("bring back what was at %s before, from a backup or from the release before", s.set.Destination)
	return t
}
