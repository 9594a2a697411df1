package cli

import "github.com/spf13/cobra"

// exits adds a verb's exit codes to its help.
func exits(cmd *cobra.Command, codes string) *cobra.Command {
	if cmd.Long == "" {
		cmd.Long = cmd.Short + "."
	}
	cmd.Long += "\n\nExit codes: " + codes + "."
	return cmd
}

// group is a verb that has verbs of its own and does nothing without one.
func group(use, short, long string, verbs ...*cobra.Command) *cobra.Command {
	cmd := &cobra.Command{Use: use, Short: short, Long: long, Args: cobra.NoArgs}
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		return usage("%s needs to be told what to do", cmd.CommandPath()).WithFix("%s --help lists it", cmd.CommandPath())
	}
	cmd.AddCommand(verbs...)
	return cmd
}
