package app

import (
	"context"
	"io"

	"github.com/ripcord-dev/ripcord"
	"github.com/ripcord-dev/ripcord/store/sqlite"
)

// VerifyJournal recomputes the hash chains of one run, or of all where run is
// empty, and reports what is wrong.
func (a *App) VerifyJournal(ctx context.Context, run ripcord.RunID) (sqlite.VerifyReport, error) {
	id, err := a.fullID(ctx, run)
	if err != nil {
		return sqlite.VerifyReport{}, err
	}
	report, err := a.store.Verify(ctx, id)
	report.Findings = append([]sqlite.Finding{}, report.Findings...)
	return report, err
}

// ExportJournal writes the entries of one run, or of all where run is empty, as
// JSON lines. What lies encrypted beside the journal is left out.
func (a *App) ExportJournal(ctx context.Context, run ripcord.RunID, w io.Writer) error {
	id, err := a.fullID(ctx, run)
	if err != nil {
		return err
	}
	return a.store.Export(ctx, id, w)
}

// BackupJournal writes a consistent copy of the journal to a new file.
func (a *App) BackupJournal(ctx context.Context, path string) error {
	return a.store.Backup(ctx, path)
}

// fullID finds the run whose id begins with the given text.
func (a *App) fullID(ctx context.Context, run ripcord.RunID) (ripcord.RunID, error) {
	if run == "" {
		return "", nil
	}
	summary, err := a.store.Run(ctx, run)
	return summary.Run, err
}
