package cli

import (
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/ripcord-dev/ripcord"
)

func (c *command) journalVerb() *cobra.Command {
	return group("journal", "Verify, export, prune or back up the journal", "",
		c.journalVerify(), c.journalExport(), c.journalPrune(), c.journalBackup())
}

func (c *command) journalVerify() *cobra.Command {
	var run string
	cmd := &cobra.Command{
		Use: "verify", Short: "Prove that nothing in the journal was changed or removed",
		Long: "Recompute every entry's hash and its place in the chain. The heads that it prints in JSON, kept\n" +
			"elsewhere, prove later that nothing was rewritten as a whole.",
		Example: "  ripcord journal verify\n  ripcord journal verify -o json | jq .heads > heads.json",
		Args:    cobra.NoArgs,
		RunE:    func(cmd *cobra.Command, _ []string) error { return c.verifyJournal(cmd, ripcord.RunID(run)) },
	}
	cmd.Flags().StringVar(&run, "run", "", "only this run")
	return exits(cmd, "0 nothing is wrong, 7 something is")
}

func (c *command) verifyJournal(cmd *cobra.Command, run ripcord.RunID) error {
	a, err := c.open(cmd.Context(), true)
	if err != nil {
		return c.nothingYet(err, map[string]any{"runs": 0, "entries": 0, "pruned": 0, "findings": []string{}, "heads": map[string]string{}})
	}
	defer c.close(a)
	report, err := a.VerifyJournal(cmd.Context(), run)
	if err != nil {
		return err
	}
	if !report.OK() {
		c.code = exitFindings
	}
	if c.output == "json" {
		return c.json(report)
	}
	for _, f := range report.Findings {
		if f.Run != "" {
			c.printf("run %s, entry %d: ", f.Run, f.Seq)
		}
		c.printf("%s: %s\n", f.Problem, f.Detail)
	}
	c.printf("%s, %s, %s; %s\n", count(report.Runs, "run"), countEntries(report.Entries), count(report.Pruned, "pruned run"), count(len(report.Findings), "finding"))
	return nil
}

func (c *command) journalExport() *cobra.Command {
	var run, to string
	cmd := &cobra.Command{
		Use: "export", Short: "Write the journal as JSON lines",
		Long: "Write every entry as one line of JSON, the very bytes that were hashed. Logs, evidence,\n" +
			"before-images and bundles lie encrypted beside the journal and are left out; no secret is in it.",
		Example: "  ripcord journal export > journal.jsonl\n  ripcord journal export --run 20260102-030405-ab3d --to run.jsonl",
		Args:    cobra.NoArgs,
		RunE:    func(cmd *cobra.Command, _ []string) error { return c.exportJournal(cmd, ripcord.RunID(run), to) },
	}
	cmd.Flags().StringVar(&run, "run", "", "only this run")
	cmd.Flags().StringVar(&to, "to", "", "a new file to write to (default: standard output)")
	return exits(cmd, "0 written, 1 not complete, 2 there is no such run")
}

func (c *command) exportJournal(cmd *cobra.Command, run ripcord.RunID, to string) (err error) {
	a, err := c.open(cmd.Context(), true)
	if err != nil {
		return err
	}
	defer c.close(a)
	if to != "" {
		f, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600) //nolint:gosec // the user names the file
		if err != nil {
			return usage("the export cannot be written: %w", err).WithFix("name a new file with --to")
		}
		if err := a.ExportJournal(cmd.Context(), run, f); err != nil {
			_ = f.Close() // the export has failed already
			return err
		}
		if err := f.Sync(); err != nil {
			_ = f.Close() // the export has failed already
			return ripcord.Errorf(ripcord.CodeInternal, "%s is not complete: %w", to, err)
		}
		if err := f.Close(); err != nil {
			return ripcord.Errorf(ripcord.CodeInternal, "%s is not complete: %w", to, err)
		}
		return c.did(map[string]any{"file": to}, "%s is written", to)
	}
	return a.ExportJournal(cmd.Context(), run, c.Stdout)
}

func (c *command) journalPrune() *cobra.Command {
	var keep int
	cmd := &cobra.Command{
		Use: "prune", Short: "Delete what old runs left behind",
		Long: "Delete entries, logs, evidence, before-images and bundles of runs that have ended, beyond the\n" +
			"newest --keep of each application and environment. Unfinished runs, the last good release and the\n" +
			"one before it always stay. Of a pruned run the summary and the head of its chain stay.",
		Example: "  ripcord journal prune --keep 50",
		Args:    cobra.NoArgs,
		RunE:    func(cmd *cobra.Command, _ []string) error { return c.pruneJournal(cmd, keep) },
	}
	cmd.Flags().IntVar(&keep, "keep", 0, "how many runs of each application and environment stay; at least 1")
	return exits(cmd, "0 pruned, 2 nothing was changed")
}

func (c *command) pruneJournal(cmd *cobra.Command, keep int) error {
	if keep < 1 {
		return usage("prune needs to be told how many runs stay").WithFix("give --keep N with N of at least 1, for example --keep 50")
	}
	a, err := c.open(cmd.Context(), false)
	if err != nil {
		return err
	}
	defer c.close(a)
	if !c.confirmed("Delete what runs beyond the newest " + count(keep, "run") + " left behind? They can no longer be taken back.") {
		return usage("nothing was changed").WithFix("answer yes, or give --yes")
	}
	pruned, err := a.PruneJournal(cmd.Context(), keep)
	if err != nil {
		return err
	}
	return c.did(pruned, "%s pruned", count(len(pruned.Runs), "run"))
}

func (c *command) journalBackup() *cobra.Command {
	return exits(&cobra.Command{
		Use: "backup FILE", Short: "Write a consistent copy of the journal",
		Long: "Write a consistent copy of the journal to a new file, while runs go on. It can take the place of\n" +
			"journal.db. Blobs and their key are files and are copied as such.",
		Example: "  ripcord journal backup /backup/journal-$(date +%F).db",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			a, err := c.open(cmd.Context(), true)
			if err != nil {
				return err
			}
			defer c.close(a)
			path, err := filepath.Abs(args[0])
			if err != nil {
				return err
			}
			if err := a.BackupJournal(cmd.Context(), path); err != nil {
				return err
			}
			return c.did(map[string]any{"file": path}, "%s is written", path)
		},
	}, "0 written, 2 the file cannot be written")
}

// did reports a small thing that was done.
func (c *command) did(result any, format string, args ...any) error {
	if c.output == "json" {
		return c.json(result)
	}
	c.say(format, args...)
	return nil
}
