package cli

import (
	"time"

	"github.com/spf13/cobra"

	"github.com/ripcord-dev/ripcord"
	"github.com/ripcord-dev/ripcord/app"
)

func (c *command) migrateVerb() *cobra.Command {
	return group("migrate", "Rehearse migrations on a copy",
		"Try the migrations of a release before it: up, down and up again on a copy of the database.", c.migrateRehearse())
}

type rehearseOptions struct {
	planFlags
	on string
}

func (c *command) migrateRehearse() *cobra.Command {
	var o rehearseOptions
	cmd := &cobra.Command{
		Use:   "rehearse [STEP]",
		Short: "Try migrations up, down and up again on a copy",
		Long: "Bring the pending migrations of a migrate step about on a copy of its database, take them back,\n" +
			"compare the schema with the one before, and bring them about once more. The copy is a restored\n" +
			"backup, or any other database of the kind; the database itself is refused.",
		Example: "  ripcord migrate rehearse --on postgres://shop@db2/copy\n  ripcord migrate rehearse migrate-orders --on sqlite:copy.db",
		Args:    cobra.MaximumNArgs(1),
		RunE:    func(cmd *cobra.Command, args []string) error { return c.rehearse(cmd, o, args) },
	}
	o.add(cmd)
	cmd.Flags().StringVar(&o.on, "on", "", "the address of the copy")
	return exits(cmd, "0 up, down and up again, and the schema was as before in between; 2 bad plan or arguments; 7 it was not")
}

func (c *command) rehearse(cmd *cobra.Command, o rehearseOptions, args []string) error {
	if o.on == "" {
		return usage("the copy is not named").WithFix("add --on ADDRESS, for example --on sqlite:copy.db; ripcord backup restore makes one")
	}
	a, err := c.open(cmd.Context(), false)
	if err != nil {
		return err
	}
	defer c.close(a)
	plan, err := a.Load(cmd.Context(), c.selection(o.planFlags))
	if err != nil {
		return err
	}
	var step ripcord.StepID
	if len(args) > 0 {
		step = ripcord.StepID(args[0])
	}
	r, err := a.Rehearse(cmd.Context(), plan, step, o.on, c.Stderr)
	if err != nil {
		return err
	}
	if r.Problem != "" {
		c.code = exitFindings
	}
	if c.output == "json" {
		return c.json(r)
	}
	c.tellRehearsal(r)
	return nil
}

func (c *command) tellRehearsal(r app.Rehearsal) {
	seconds := func(s float64) time.Duration { return time.Duration(s * float64(time.Second)).Round(time.Millisecond) }
	for _, m := range r.Migrations {
		c.printf("migration %s\n", m)
	}
	if r.Problem != "" {
		c.printf("NOT PROVED: %s\nNext: mend the migration, restore the copy anew, and rehearse again\n", r.Problem)
		return
	}
	c.printf("up in %s, down in %s, up again in %s; the schema was as before in between\n", seconds(r.Up), seconds(r.Down), seconds(r.Again))
	c.next("release", "the copy is not needed any more")
}
