// Load sends requests to the shop at a steady rate and counts what becomes of
// them. It is an open loop: requests are sent when they are due, however long
// the earlier ones take, and latency is measured from the time that each was
// due. It retries nothing. On SIGINT, SIGTERM or after --for it prints its
// counts as JSON.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"net/url"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/ripcord-dev/ripcord/bench/traffic"
)

func main() {
	set, err := parse(os.Args[1:])
	if err == nil {
		ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
		report := traffic.Run(ctx, set)
		stop()
		encoder := json.NewEncoder(os.Stdout)
		encoder.SetIndent("", "  ")
		err = encoder.Encode(report)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "load:", err)
		os.Exit(2)
	}
}

func parse(args []string) (set traffic.Settings, err error) {
	flags := flag.NewFlagSet("load", flag.ContinueOnError)
	target := flags.String("url", "http://127.0.0.1:8080", "where the shop is")
	flags.Float64Var(&set.Rate, "rate", 200, "requests a second")
	flags.IntVar(&set.Connections, "connections", 32, "kept connections")
	flags.Float64Var(&set.Posts, "posts", 0.1, "share of requests that order something")
	flags.DurationVar(&set.Timeout, "timeout", 10*time.Second, "longest wait for an answer, from the sending")
	flags.DurationVar(&set.Length, "for", 0, "how long; 0 is until a signal")
	if err := flags.Parse(args); err != nil {
		return set, err
	}
	set.Target, err = url.Parse(*target)
	switch {
	case err != nil:
		return set, err
	case set.Target.Scheme != "http" || set.Target.Port() == "":
		return set, fmt.Errorf("--url %s: write it as http://HOST:PORT", *target)
	case set.Rate <= 0 || set.Rate > 100_000 || set.Connections < 1 || set.Connections > 10_000 || set.Posts < 0 || set.Posts > 1:
		return set, errors.New("--rate, --connections or --posts is out of range")
	}
	return set, nil
}
