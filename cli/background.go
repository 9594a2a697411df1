package cli

import (
	"context"
	"errors"
	"log/slog"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/ripcord-dev/ripcord"
)

// keepHidden is the keeper's process; `ripcord keeper` is what people use.
func (c *command) keepHidden() *cobra.Command {
	var stay bool
	cmd := &cobra.Command{
		Use: "__keeper", Hidden: true, Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx, stop := signal.NotifyContext(cmd.Context(), syscall.SIGTERM, syscall.SIGINT)
			defer stop()
			a, err := c.open(ctx, false)
			if err != nil {
				return err
			}
			defer c.close(a)
			return a.Keep(ctx, stay, slog.New(slog.NewTextHandler(c.Stderr, nil)))
		},
	}
	cmd.Flags().BoolVar(&stay, "stay", false, "stay also when there is nothing to look after")
	return cmd
}

// executeHidden carries out one run for the keeper.
func (c *command) executeHidden() *cobra.Command {
	var run string
	cmd := &cobra.Command{
		Use: "__execute", Hidden: true, Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			a, err := c.open(cmd.Context(), false)
			if err != nil {
				return err
			}
			defer c.close(a)
			err = a.ExecuteAsKeeper(context.WithoutCancel(cmd.Context()), ripcord.RunID(run))
			if errors.Is(err, ripcord.ErrFenced) {
				return nil // somebody else carries the run out
			}
			return err
		},
	}
	cmd.Flags().StringVar(&run, "run", "", "which run")
	return cmd
}
