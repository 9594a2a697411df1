package app

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/ripcord-dev/ripcord"
	"github.com/ripcord-dev/ripcord/bundle"
	"github.com/ripcord-dev/ripcord/store/sqlite"
)

// Pruned is what PruneJournal removed.
type Pruned struct {
	// Runs lost their entries now; their summaries stay.
	Runs []ripcord.RunID `json:"runs"`
	// Blobs are runs whose logs, evidence, before-images and bundles are gone.
	Blobs []ripcord.RunID `json:"blobs"`
}

// remains is what a run has on disk beside its entries.
type remains struct {
	run ripcord.RunID
	// bundle is the run's bundle, its own or that of the run it executes again.
	bundle ripcord.BlobRef
}

// PruneJournal deletes what ended runs beyond the newest keep of each
// environment left behind. What unfinished runs, the last good release or a
// living instance need stays.
func (a *App) PruneJournal(ctx context.Context, keep int) (Pruned, error) {
	return a.prune(ctx, func() (sqlite.PruneReport, error) { return a.store.Prune(ctx, keep) })
}

// prune deletes what the runs have on disk whose entries the journal has pruned.
func (a *App) prune(ctx context.Context, journal func() (sqlite.PruneReport, error)) (Pruned, error) {
	all, err := a.remains(ctx)
	if err != nil {
		return Pruned{}, err
	}
	report, err := journal()
	pruned := Pruned{Runs: append([]ripcord.RunID{}, report.Runs...), Blobs: []ripcord.RunID{}}
	if err != nil {
		return pruned, err
	}
	gone := make(map[ripcord.RunID]bool, len(report.Runs))
	for _, run := range report.Runs {
		gone[run] = true
	}
	needed, err := a.needed(ctx, all, gone)
	if err != nil {
		return pruned, err
	}
	for _, r := range all {
		if gone[r.run] {
			if err := a.sweep(ctx, r, needed); err != nil {
				return pruned, err
			}
		}
	}
	if err := bundle.Sweep(a.bundles()); err != nil {
		return pruned, fmt.Errorf("removing what was left half laid out: %w", err)
	}
	for _, run := range report.Blobs {
		if needed[string(run)] {
			continue // another run's way back lies there
		}
		if err := a.blobs.DeleteRun(ctx, run); err != nil {
			return pruned, err
		}
		pruned.Blobs = append(pruned.Blobs, run)
	}
	return pruned, a.store.BlobsGone(ctx, pruned.Blobs...)
}

// remains lists what all runs have on disk.
func (a *App) remains(ctx context.Context) ([]remains, error) {
	runs, err := a.store.Runs(ctx, ripcord.Filter{})
	if err != nil {
		return nil, err
	}
	var all []remains
	for _, summary := range runs {
		r := remains{run: summary.Run}
		for e, err := range a.store.Entries(ctx, summary.Run, 0) {
			if ripcord.CodeOf(err) == ripcord.CodeNotFound {
				break // pruned earlier
			}
			if err != nil {
				return nil, err
			}
			r.see(e)
		}
		all = append(all, r)
	}
	return all, nil
}

func (r *remains) see(e ripcord.Entry) {
	if e.Kind == ripcord.RunBundled {
		r.bundle = e.Blobs[bundle.Name]
	}
}

// needed names the folders that must stay: bundles by their folder, blobs by the
// run that made them.
func (a *App) needed(ctx context.Context, all []remains, gone map[ripcord.RunID]bool) (map[string]bool, error) {
	instances, err := a.supervisor().List(ctx, "")
	if err != nil {
		return nil, err
	}
	serving := make(map[string]bool)
	for _, i := range instances {
		serving[i.Labels["run"]] = true
	}
	needed := make(map[string]bool)
	for _, r := range all {
		if !gone[r.run] || serving[string(r.run)] {
			needed[bundle.Folder(r.bundle)] = true
			maker, _, _ := strings.Cut(r.bundle.Path, "/")
			needed[maker] = true
		}
	}
	return needed, nil
}

// sweep removes a pruned run's command folders and its unpacked bundle.
func (a *App) sweep(ctx context.Context, r remains, needed map[string]bool) error {
	if err := a.tidy(ctx, r.run); err != nil {
		return fmt.Errorf("removing what the commands of run %s left: %w", r.run, err)
	}
	if name := bundle.Folder(r.bundle); name != "" && !needed[name] {
		return errors.Join(os.RemoveAll(filepath.Join(a.bundles(), name)), os.RemoveAll(filepath.Join(a.publicDir(), name)))
	}
	return nil
}
