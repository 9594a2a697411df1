package cli

import (
	"context"
	"fmt"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/ripcord-dev/ripcord"
	"github.com/ripcord-dev/ripcord/app"
)

func (c *command) backupVerb() *cobra.Command {
	return group("backup", "Take, test and restore backups",
		"Back up databases and folders into the repositories of the plan file, prove that they can be\n"+
			"restored, and restore them. What is there is replaced only by data that was checked, and kept\n"+
			"as a safety copy.",
		c.backupRun(), c.backupList(), c.backupShow(), c.backupVerify(), c.backupRestore(), c.backupDiff(), c.backupPrune())
}

// backupFlags are those of all backup verbs.
type backupFlags struct {
	planFlags
	repository string
}

func (f *backupFlags) add(cmd *cobra.Command) {
	f.planFlags.add(cmd)
	cmd.Flags().StringVar(&f.repository, "repository", "", "an entry of the plan file's repositories (default: the only one)")
}

func (c *command) backupSelection(f backupFlags, args []string) app.BackupSelection {
	s := app.BackupSelection{Selection: c.selection(f.planFlags), Repository: f.repository}
	if len(args) > 0 {
		s.Data = args[0]
	}
	return s
}

// atDesk opens the desk that is named, and closes it again.
func (c *command) atDesk(ctx context.Context, s app.BackupSelection, do func(d *app.Desk) error) error {
	a, err := c.open(ctx, false)
	if err != nil {
		return err
	}
	defer c.close(a) //nolint:contextcheck // what comes after has a time of its own
	d, err := a.Desk(ctx, s, false)
	if err != nil {
		return err
	}
	defer func() { _ = d.Close() }() // what was written is durable
	defer c.progressOf(d)()
	return do(d)
}

// atDesks is atDesk for several.
func (c *command) atDesks(ctx context.Context, s app.BackupSelection, create bool, do func(all []*app.Desk) error) error {
	a, err := c.open(ctx, false)
	if err != nil {
		return err
	}
	defer c.close(a) //nolint:contextcheck // what comes after has a time of its own
	all, err := a.Desks(ctx, s, create)
	if err != nil {
		return err
	}
	defer func() { _ = app.CloseDesks(all) }() // what was written is durable
	for _, d := range all {
		defer c.progressOf(d)()
	}
	return do(all)
}

// progressOf shows on a terminal how far a long work is: bytes, rate, time remaining.
func (c *command) progressOf(d *app.Desk) (done func()) {
	if !c.Terminal || c.quiet || c.output == "json" {
		return func() {}
	}
	const every = 200 * time.Millisecond
	var began, last time.Time
	d.Progress = func(bytes, total int64) {
		now := c.Now()
		if began.IsZero() {
			began = now
		}
		if now.Sub(last) < every || !now.After(began) {
			return
		}
		last = now
		rate := float64(bytes) / now.Sub(began).Seconds()
		text := fmt.Sprintf("%s, %s/s", app.Size(bytes), app.Size(int64(rate)))
		if total > bytes && rate > 0 {
			left := time.Duration(float64(total-bytes) / rate * float64(time.Second))
			text = fmt.Sprintf("%s of %s, %s/s, %s left", app.Size(bytes), app.Size(total), app.Size(int64(rate)), left.Round(time.Second))
		}
		_, _ = fmt.Fprintf(c.Stderr, "\r\x1b[K%s", text)
	}
	return func() {
		if !last.IsZero() {
			_, _ = fmt.Fprint(c.Stderr, "\r\x1b[K")
		}
	}
}

func (c *command) backupRun() *cobra.Command {
	var f backupFlags
	cmd := &cobra.Command{
		Use: "run [DATABASE|PATH]", Short: "Take a backup now, outside of a release",
		Long: "Take a backup of a database of the plan file, or of a path that a backup step names; without a\n" +
			"name, of all. A copy that fails half-way is no backup.",
		Example: "  ripcord backup run orders\n  ripcord backup run            # all",
		Args:    cobra.MaximumNArgs(1),
		RunE:    func(cmd *cobra.Command, args []string) error { return c.runBackup(cmd, f, args) },
	}
	f.add(cmd)
	return exits(cmd, "0 taken, 1 it failed, 2 bad plan or arguments, 6 the database does not answer")
}

func (c *command) runBackup(cmd *cobra.Command, f backupFlags, args []string) error {
	return c.atDesks(cmd.Context(), c.backupSelection(f, args), true, func(all []*app.Desk) error {
		var taken []*ripcord.Backup
		for _, d := range all {
			if d.Repository.Made() {
				c.warn("made the repository " + d.Repository.Name() + ". Keep its password elsewhere as well: without it nobody can read the backups")
			}
			b, err := d.Take(cmd.Context(), app.Origin{})
			if err != nil {
				return err
			}
			taken = append(taken, b)
			if err := d.Repository.Maintain(cmd.Context()); err != nil && cmd.Context().Err() == nil {
				c.warn("the backup is taken, and the repository could not be maintained: " + err.Error())
			}
			if c.output != "json" {
				c.printf("backup %s of %s: %s%s in %s, into %s\n", b.ID, d.Name, app.Size(b.Bytes), rowsOf(b), spell(b.EndedAt.Sub(b.StartedAt)), d.Repository.Name())
			}
		}
		if c.output == "json" {
			return c.json(map[string]any{"backups": taken})
		}
		c.next("backup verify --restore", "proves that it can be restored")
		return nil
	})
}

// next says what comes next.
func (c *command) next(words, does string) { c.printf("Next: %s (%s)\n", c.again(words), does) }

func rowsOf(b *ripcord.Backup) string {
	switch {
	case len(b.View.Tables) > 0:
		return fmt.Sprintf(", %d rows in %s", b.View.Rows(), count(len(b.View.Tables), "table"))
	case b.Files > 1:
		return fmt.Sprintf(", %d files", b.Files)
	}
	return ""
}

// aged is how old a backup's data is.
func (c *command) aged(b *ripcord.Backup) string {
	return spell(c.Now().Sub(b.At).Round(time.Second))
}

func (c *command) backupList() *cobra.Command {
	var f backupFlags
	cmd := &cobra.Command{
		Use: "list [DATABASE|PATH]", Short: "List backups with age, size and state",
		Long: "List backups, newest first. The state says how much is known of each: taken, verified (all of it\n" +
			"was read back), restored-and-checked (it was restored and passed its checks), bad.",
		Example: "  ripcord backup list\n  ripcord backup list orders -o json",
		Args:    cobra.MaximumNArgs(1),
		RunE:    func(cmd *cobra.Command, args []string) error { return c.listBackups(cmd, f, args) },
	}
	f.add(cmd)
	return exits(cmd, "0 listed, 2 bad plan or arguments")
}

func (c *command) listBackups(cmd *cobra.Command, f backupFlags, args []string) error {
	return c.atDesks(cmd.Context(), c.backupSelection(f, args), false, func(all []*app.Desk) error {
		list := []map[string]any{}
		w := tabwriter.NewWriter(c.Stdout, 0, 0, 2, ' ', 0)
		_, _ = fmt.Fprintln(w, "backup\tof\tage\tsize\tstate\trepository")
		for _, d := range all {
			found, err := d.Backups(cmd.Context())
			if err != nil {
				return err
			}
			for i := range found {
				b := &found[i]
				list = append(list, c.backupJSON(d, b))
				_, _ = fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\n", b.ID, b.Name, c.aged(b), app.Size(b.Bytes), stateOf(b), d.RepositoryName)
			}
		}
		if c.output == "json" {
			return c.json(map[string]any{"backups": list})
		}
		if len(list) == 0 {
			c.printf("there is no backup yet\n")
			c.next("backup run", "takes one")
			return nil
		}
		return w.Flush()
	})
}

func (c *command) backupJSON(d *app.Desk, b *ripcord.Backup) map[string]any {
	return map[string]any{
		"id": b.ID, "of": b.Name, "kind": b.Kind, "repository": d.RepositoryName, "state": b.State(), "at": b.At, "age_seconds": c.Now().Sub(b.At).Seconds(),
		"seconds": b.Seconds(), "bytes": b.Bytes, "files": b.Files, "run": b.Run, "version": b.Version, "why": b.Why,
		"view": b.View, "verified_at": known(b.VerifiedAt), "test": b.Test,
	}
}

// known is a moment, or null where there was none.
func known(t time.Time) any {
	if t.IsZero() {
		return nil
	}
	return t
}

// stateOf is the state with its date.
func stateOf(b *ripcord.Backup) string {
	switch b.State() {
	case ripcord.BackupRestored, ripcord.BackupBad:
		return string(b.State()) + " " + b.Test.At.Format(time.DateOnly)
	case ripcord.BackupVerified:
		return string(b.State()) + " " + b.VerifiedAt.Format(time.DateOnly)
	case ripcord.BackupTaken:
	}
	return string(b.State())
}

func (c *command) backupShow() *cobra.Command {
	var f backupFlags
	cmd := &cobra.Command{
		Use: "show DATABASE|PATH [BACKUP]", Short: "Show everything that is known of a backup",
		Example: "  ripcord backup show orders\n  ripcord backup show orders 20260102-030405-ab3d",
		Args:    cobra.RangeArgs(1, 2),
		RunE:    func(cmd *cobra.Command, args []string) error { return c.showBackup(cmd, f, args) },
	}
	f.add(cmd)
	return exits(cmd, "0 shown, 2 there is no such backup")
}

func second(args []string) string {
	if len(args) > 1 {
		return args[1]
	}
	return ""
}

func (c *command) showBackup(cmd *cobra.Command, f backupFlags, args []string) error {
	return c.atDesk(cmd.Context(), c.backupSelection(f, args), func(d *app.Desk) error {
		b, err := d.Find(cmd.Context(), second(args))
		if err != nil {
			return err
		}
		if c.output == "json" {
			return c.json(c.backupJSON(d, b))
		}
		c.printf("backup %s of %s (%s) in %s\n", b.ID, b.Name, b.Kind, d.Repository.Name())
		c.printf("state:   %s\n", stateOf(b))
		c.printf("data of: %s, %s old; taken in %s\n", stamp(b.At), c.aged(b), spell(b.EndedAt.Sub(b.StartedAt)))
		c.printf("size:    %s%s\n", app.Size(b.Bytes), rowsOf(b))
		if b.View.Tool != "" {
			c.printf("made by: %s, of %s\n", b.View.Tool, b.View.Server)
		}
		if b.Run != "" {
			c.printf("release: %s, run %s\n", b.Version, b.Run)
		}
		for _, t := range b.View.Tables {
			c.printf("  %-40s %d rows\n", t.Name, t.Rows)
		}
		c.printTest(b.Test)
		if b.Test == nil {
			c.next("backup verify "+shellWord(d.Name)+" --restore", "restores it into a scratch place; nobody has done so yet")
		}
		return nil
	})
}

// printTest prints the evidence of a restore test.
func (c *command) printTest(t *ripcord.RestoreTest) {
	if t == nil {
		return
	}
	c.printf("restored on %s as %s, in %s (the real RTO); its data was %s old (the real RPO)\n",
		stamp(t.At), t.Place, lasted(t.Seconds), spell(time.Duration(t.AgeSeconds*float64(time.Second)).Round(time.Second)))
	c.printPhases(t.Phases)
	for _, text := range t.Passed {
		c.printf("  passed: %s\n", text)
	}
	for _, text := range t.Problems {
		c.printf("  FAILED: %s\n", text)
	}
}

func (c *command) printPhases(all []ripcord.RestorePhase) {
	var parts []string
	for _, p := range all {
		parts = append(parts, fmt.Sprintf("%s %s", p.Name, lasted(p.Seconds)))
	}
	c.printf("  phases: %s\n", strings.Join(parts, ", "))
}

// lasted is a number of seconds for people.
func lasted(seconds float64) string { return spell(time.Duration(seconds * float64(time.Second))) }
