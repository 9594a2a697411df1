package cli

import (
	"slices"

	"github.com/spf13/cobra"

	"github.com/ripcord-dev/ripcord"
	"github.com/ripcord-dev/ripcord/app"
)

type verifyOptions struct {
	backupFlags
	restore bool
	to      string
	backup  string
}

func (c *command) backupVerify() *cobra.Command {
	var o verifyOptions
	cmd := &cobra.Command{
		Use: "verify [DATABASE|PATH]", Short: "Read backups back, or restore the newest and check it",
		Long: "Read every byte of the backups back from the repository. With --restore, restore the newest one\n" +
			"into a scratch place, compare rows and definitions with those at the backup, ask the plan file's\n" +
			"checks, measure how long it took (the real RTO) and how old the data is (the real RPO), and keep\n" +
			"the evidence with the backup.",
		Example: "  ripcord backup verify\n  ripcord backup verify --restore\n  ripcord backup verify orders --restore --to postgres://test@db2/empty",
		Args:    cobra.MaximumNArgs(1),
		RunE:    func(cmd *cobra.Command, args []string) error { return c.verifyBackups(cmd, o, args) },
	}
	o.add(cmd)
	cmd.Flags().BoolVar(&o.restore, "restore", false, "restore the newest backup into a scratch place and check it")
	cmd.Flags().StringVar(&o.to, "to", "", "with --restore: a place elsewhere, an empty one")
	cmd.Flags().StringVar(&o.backup, "backup", "", "this backup only (default: with --restore the newest, else all)")
	return exits(cmd, "0 nothing is wrong, 1 the test could not be made, 2 bad plan or arguments, 7 something is wrong with a backup")
}

func (c *command) verifyBackups(cmd *cobra.Command, o verifyOptions, args []string) error {
	if o.to != "" && !o.restore {
		return usage("--to goes with --restore")
	}
	if o.to != "" && len(args) == 0 {
		return usage("--to needs to know what is restored there").WithFix("name the database")
	}
	return c.atDesks(cmd.Context(), c.backupSelection(o.backupFlags, args), false, func(all []*app.Desk) error {
		result := []map[string]any{}
		for _, d := range all {
			found, err := d.Backups(cmd.Context())
			if err != nil {
				return err
			}
			if len(found) == 0 && len(all) > 1 && len(args) == 0 {
				continue
			}
			one := map[string]any{"of": d.Name, "repository": d.RepositoryName}
			if o.restore {
				err = c.testOne(cmd, d, o, one)
			} else {
				err = c.verifyOne(cmd, d, o, found, one)
			}
			if err != nil {
				return err
			}
			result = append(result, one)
		}
		return c.verified(o, result)
	})
}

// verified tells what comes after verifying.
func (c *command) verified(o verifyOptions, result []map[string]any) error {
	switch {
	case len(result) == 0:
		return ripcord.Errorf(ripcord.CodeNotFound, "there is no backup to verify yet").WithFix("take one: %s", c.again("backup run"))
	case c.output == "json":
		return c.json(map[string]any{"verified": result})
	case c.code == exitFindings:
		c.printf("Next: look into the disk of the repository; bring damaged files back from a copy of it, or begin a new repository in another place: a new backup in this one would share what is damaged\n")
	case !o.restore:
		c.next("backup verify --restore", "proves that the newest can be restored")
	default:
		c.next("backup list", "shows all with their state")
	}
	return nil
}

func (c *command) verifyOne(cmd *cobra.Command, d *app.Desk, o verifyOptions, found []ripcord.Backup, into map[string]any) error {
	if o.backup != "" {
		b, err := d.Find(cmd.Context(), o.backup)
		if err != nil {
			return err
		}
		found = []ripcord.Backup{*b}
	}
	v, err := d.Verify(cmd.Context(), found)
	if err != nil {
		return err
	}
	into["verification"] = v.Verification
	into["seconds"], into["backups"] = v.Seconds, len(found)
	if !v.Sound() {
		c.code = exitFindings
	}
	if c.output == "json" {
		return nil
	}
	c.printf("%s of %s in %s: %s were read in %s; %s\n", count(len(found), "backup"), d.Name, d.Repository.Name(), app.Size(v.Bytes),
		lasted(v.Seconds), count(len(v.Problems), "damaged backup"))
	for _, problem := range v.Records {
		c.printf("  DAMAGED records of the repository: %s\n", problem)
	}
	for _, b := range found {
		for _, problem := range v.Problems[b.ID] {
			c.printf("  DAMAGED %s: %s\n", b.ID, problem)
		}
	}
	if i := slices.IndexFunc(found, func(b ripcord.Backup) bool { return len(v.Problems[b.ID]) == 0 }); i >= 0 && len(v.Problems) > 0 {
		c.printf("  the newest that is sound: %s, %s old\n", found[i].ID, c.aged(&found[i]))
	}
	return nil
}

func (c *command) testOne(cmd *cobra.Command, d *app.Desk, o verifyOptions, into map[string]any) error {
	b, err := d.Find(cmd.Context(), o.backup)
	if err != nil {
		return err
	}
	if err := d.Test(cmd.Context(), b, o.to); err != nil {
		return err
	}
	into["backup"], into["state"], into["test"] = b.ID, b.State(), b.Test
	if len(b.Test.Problems) > 0 {
		c.code = exitFindings
	}
	if c.output != "json" {
		c.printf("backup %s of %s: %s\n", b.ID, d.Name, stateOf(b))
		c.printTest(b.Test)
	}
	return nil
}
