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
)

// settings are the flags.
type settings struct {
	target      *url.URL
	rate        float64
	connections int
	posts       float64
	timeout     time.Duration
	length      time.Duration
}

func main() {
	set, err := parse(os.Args[1:])
	if err == nil {
		ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
		report := run(ctx, set)
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

func parse(args []string) (set settings, err error) {
	flags := flag.NewFlagSet("load", flag.ContinueOnError)
	target := flags.String("url", "http://127.0.0.1:8080", "where the shop is")
	flags.Float64Var(&set.rate, "rate", 200, "requests a second")
	flags.IntVar(&set.connections, "connections", 32, "kept connections")
	flags.Float64Var(&set.posts, "posts", 0.1, "share of requests that order something")
	flags.DurationVar(&set.timeout, "timeout", 10*time.Second, "longest wait for an answer, from the sending")
	flags.DurationVar(&set.length, "for", 0, "how long; 0 is until a signal")
	if err := flags.Parse(args); err != nil {
		return set, err
	}
	set.target, err = url.Parse(*target)
	switch {
	case err != nil:
		return set, err
	case set.target.Scheme != "http" || set.target.Port() == "":
		return set, fmt.Errorf("--url %s: write it as http://HOST:PORT", *target)
	case set.rate <= 0 || set.rate > 100_000 || set.connections < 1 || set.connections > 10_000 || set.posts < 0 || set.posts > 1:
		return set, errors.New("--rate, --connections or --posts is out of range")
	}
	return set, nil
}
