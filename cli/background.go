package cli

import (
	"context"
	"errors"
	"log/slog"
	"os/signal"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/ripcord-dev/ripcord"
	"github.com/ripcord-dev/ripcord/app"
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
			return keep(ctx, a, stay, slog.New(slog.NewTextHandler(c.Stderr, nil)))
		},
	}
	cmd.Flags().BoolVar(&stay, "stay", false, "stay also when there is nothing to look after")
	return cmd
}

// placeEvery is how often a keeper that stays looks whether its place is free.
const placeEvery = time.Second

// keep is the keeper's work. One that stays, as the boot unit's does, waits for
// its place where another keeper lives: to fail would make the unit start it
// again and again.
func keep(ctx context.Context, a *app.App, stay bool, log *slog.Logger) error {
	for waiting := false; ; waiting = true {
		err := a.Keep(ctx, stay, log)
		if !stay || ripcord.CodeOf(err) != ripcord.CodeRefused || err == nil {
			return err
		}
		if !waiting {
			log.InfoContext(ctx, "another keeper lives; waiting for its end")
		}
		timer := time.NewTimer(placeEvery)
		select {
		case <-ctx.Done():
			timer.Stop()
			return nil
		case <-timer.C:
		}
	}
}

// executeHidden carries out one run for the keeper.
func (c *command) executeHidden() *cobra.Command {
	var run string
	cmd := &cobra.Command{
		Use: "__execute", Hidden: true, Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c.log = slog.New(slog.NewTextHandler(c.Stderr, nil)) // it goes to the keeper's log
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
