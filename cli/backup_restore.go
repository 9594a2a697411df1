package cli

import (
	"fmt"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/ripcord-dev/ripcord/app"
)

type restoreOptions struct {
	backupFlags
	to                             string
	dryRun, acceptLoss, disconnect bool
}

func (c *command) backupRestore() *cobra.Command {
	var o restoreOptions
	cmd := &cobra.Command{
		Use: "restore DATABASE|PATH [BACKUP]", Short: "Restore a backup, here or elsewhere",
		Long: "Restore the newest backup, or the one that is named. It is laid out beside what is there, checked,\n" +
			"and only then put in its place; what was there stays as a safety copy. What would be lost is\n" +
			"counted and shown before, and refused without --accept-data-loss. Stop the application, or switch\n" +
			"it to read-only, before a restore in place.",
		Example: "  ripcord backup restore orders --dry-run\n  ripcord backup restore orders --accept-data-loss\n" +
			"  ripcord backup restore orders 20260102-030405-ab3d --to postgres://shop@db2/orders",
		Args: cobra.RangeArgs(1, 2),
		RunE: func(cmd *cobra.Command, args []string) error { return c.restoreBackup(cmd, o, args) },
	}
	o.add(cmd)
	cmd.Flags().StringVar(&o.to, "to", "", "a place elsewhere: an empty database, a new file or folder")
	cmd.Flags().BoolVar(&o.dryRun, "dry-run", false, "count what would be lost, and change nothing")
	cmd.Flags().BoolVar(&o.acceptLoss, "accept-data-loss", false, "restore although something is lost that was written since")
	cmd.Flags().BoolVar(&o.disconnect, "disconnect", false, "end the sessions of others that are in the way")
	return exits(cmd, "0 restored, 1 it failed, 2 bad plan or arguments, 6 refused; whatever fails, what was there is there as before")
}

func (c *command) restoreBackup(cmd *cobra.Command, o restoreOptions, args []string) error {
	return c.atDesk(cmd.Context(), c.backupSelection(o.backupFlags, args), func(d *app.Desk) error {
		b, err := d.Find(cmd.Context(), second(args))
		if err != nil {
			return err
		}
		if c.output != "json" {
			c.printf("backup %s of %s: %s, data of %s, %s old, %s\n", b.ID, d.Name, app.Size(b.Bytes), stamp(b.At), c.aged(b), stateOf(b))
		}
		r, err := d.Restore(cmd.Context(), app.RestoreOrder{
			Backup: b, To: o.to, DryRun: o.dryRun, AcceptLoss: o.acceptLoss, Disconnect: o.disconnect,
			Foreseen: func(l *app.Loss) { c.printLoss("would be lost", l) },
		})
		if err != nil {
			return err
		}
		if c.output == "json" {
			return c.json(r)
		}
		c.printRestored(d, r)
		return nil
	})
}

// printLoss prints what is lost, table by table.
func (c *command) printLoss(what string, l *app.Loss) {
	if c.output == "json" || l == nil {
		return
	}
	c.printf("%s: %s (counted: %s)\n", what, l, l.How)
	w := tabwriter.NewWriter(c.Stdout, 0, 0, 2, ' ', 0)
	for _, t := range l.Tables {
		if t.Lost > 0 {
			_, _ = fmt.Fprintf(w, "  %s\t%d now\t%d then\t%d lost\n", t.Name, t.Now, t.Then, t.Lost)
		}
	}
	_ = w.Flush()
}

func (c *command) printRestored(d *app.Desk, r *app.Restored) {
	if r.DryRun {
		c.printf("nothing was changed\n")
		c.next("backup restore "+d.Name+" "+r.Backup.ID, "restores it")
		return
	}
	c.printf("restored to %s in %s\n", r.Place, lasted(r.Seconds))
	c.printPhases(r.Phases)
	if r.Checks != nil {
		for _, text := range r.Checks.Passed {
			c.printf("  passed: %s\n", text)
		}
	}
	if r.Loss != nil {
		c.printLoss("lost", r.Loss)
	}
	if r.Safety != "" {
		c.printf("Next: look whether all is well; what was there before is kept: %s. Remove it when it is not needed any more\n", r.Safety)
		return
	}
	c.printf("Next: look whether all is well\n")
}

func (c *command) backupDiff() *cobra.Command {
	var f backupFlags
	cmd := &cobra.Command{
		Use: "diff DATABASE|PATH [BACKUP]", Short: "Show what was written since a backup",
		Long: "Compare what is there now with the newest backup, or the one that is named: what a restore would\n" +
			"lose. Nothing is changed.",
		Example: "  ripcord backup diff orders",
		Args:    cobra.RangeArgs(1, 2),
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.atDesk(cmd.Context(), c.backupSelection(f, args), func(d *app.Desk) error {
				b, err := d.Find(cmd.Context(), second(args))
				if err != nil {
					return err
				}
				r, err := d.Restore(cmd.Context(), app.RestoreOrder{Backup: b, DryRun: true})
				if err != nil {
					return err
				}
				if r.Loss.Any() {
					c.code = exitFindings
				}
				if c.output == "json" {
					return c.json(map[string]any{"backup": b.ID, "of": b.Name, "loss": r.Loss})
				}
				c.printLoss("written since backup "+b.ID, r.Loss)
				return nil
			})
		},
	}
	f.add(cmd)
	return exits(cmd, "0 nothing was written since, 2 bad plan or arguments, 7 something was, or may have been")
}

type pruneOptions struct {
	backupFlags
	keep    int
	keepFor time.Duration
	dryRun  bool
}

func (c *command) backupPrune() *cobra.Command {
	var o pruneOptions
	cmd := &cobra.Command{
		Use: "prune [DATABASE|PATH]", Short: "Remove backups that are not kept any more",
		Long: "Remove the backups beyond --keep and older than --keep-for, or what the plan file says. The newest,\n" +
			"the newest that is known to be good, and those of releases that can still be taken back stay. The\n" +
			"room is free a day or two later, when no other program can still need it.",
		Example: "  ripcord backup prune --dry-run\n  ripcord backup prune orders --keep 14",
		Args:    cobra.MaximumNArgs(1),
		RunE:    func(cmd *cobra.Command, args []string) error { return c.pruneBackups(cmd, o, args) },
	}
	o.add(cmd)
	cmd.Flags().IntVar(&o.keep, "keep", 0, "how many of each database or path stay")
	cmd.Flags().DurationVar(&o.keepFor, "keep-for", 0, "how long each stays")
	cmd.Flags().BoolVar(&o.dryRun, "dry-run", false, "only say which")
	return exits(cmd, "0 pruned, 2 nothing was changed")
}

func (c *command) pruneBackups(cmd *cobra.Command, o pruneOptions, args []string) error {
	if o.keep < 0 || o.keepFor < 0 {
		return usage("--keep and --keep-for cannot be negative")
	}
	return c.atDesks(cmd.Context(), c.backupSelection(o.backupFlags, args), false, func(all []*app.Desk) error {
		result := []map[string]any{}
		for _, d := range all {
			p, err := c.prune(cmd, d, o)
			if err != nil {
				return err
			}
			result = append(result, map[string]any{"of": d.Name, "repository": d.RepositoryName, "pruned": p, "dry_run": o.dryRun})
			c.printPruned(d, p, o.dryRun)
		}
		if c.output == "json" {
			return c.json(map[string]any{"pruned": result})
		}
		c.next("backup list", "shows those that are there")
		return nil
	})
}

// prune asks, and prunes one data's backups.
func (c *command) prune(cmd *cobra.Command, d *app.Desk, o pruneOptions) (*app.PrunedBackups, error) {
	p, err := d.PruneBackups(cmd.Context(), o.keep, o.keepFor, true)
	if err != nil || len(p.Removed) == 0 || o.dryRun {
		return p, err
	}
	if !c.confirmed(fmt.Sprintf("Remove %s of %s for ever?", count(len(p.Removed), "backup"), d.Name)) {
		return nil, usage("nothing was changed").WithFix("answer yes, or give --yes")
	}
	return d.PruneBackups(cmd.Context(), o.keep, o.keepFor, false)
}

func (c *command) printPruned(d *app.Desk, p *app.PrunedBackups, dryRun bool) {
	if c.output == "json" {
		return
	}
	verb := "removed"
	if dryRun {
		verb = "would be removed"
	}
	c.printf("%s of %s %s\n", count(len(p.Removed), "backup"), d.Name, verb)
	for _, b := range p.Removed {
		c.printf("  %s, %s old\n", b.ID, c.aged(&b))
	}
	for id, why := range p.Kept {
		c.printf("  %s stays: %s\n", id, why)
	}
}
