// Shop is a small real shop to release: pages, a basket, orders in SQLite,
// static assets, health and metrics. Its version, and how it misbehaves, are
// set when it is built; see build.sh.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"
)

// Set by the linker.
var (
	version = "dev"
	offer   = ""
	fault   = ""
)

const stopWithin = 10 * time.Second

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:])
	stop()
	if err != nil {
		slog.Error("the shop ended", slog.Any("error", err))
		os.Exit(1)
	}
}

// config is what the file shop.json says.
type config struct {
	Title    string `json:"title"`
	Currency string `json:"currency"`
}

func run(ctx context.Context, args []string) error {
	flags := flag.NewFlagSet("shop", flag.ContinueOnError)
	listen := flags.String("listen", "127.0.0.1:8080", "address to listen on")
	site := flags.String("site", "site", "folder with shop.json, shop.db and assets")
	count := flags.Bool("count", false, "print how many orders there are, and what is known of each, and end")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if *count {
		return tellOrders(ctx, filepath.Join(*site, "shop.db"))
	}
	trouble, err := parseFault(fault, time.Now)
	if err != nil {
		return err
	}
	if trouble.noStart {
		return errors.New(`shop.json: unknown payment provider "acme"`)
	}
	c, err := readConfig(filepath.Join(*site, "shop.json"))
	if err != nil {
		return err
	}
	s, err := openStore(ctx, filepath.Join(*site, "shop.db"))
	if err != nil {
		return err
	}
	shop := &shop{config: c, store: s, assets: filepath.Join(*site, "assets"), fault: trouble, metrics: newMetrics(), now: time.Now}
	err = serve(ctx, *listen, shop.handler())
	return errors.Join(err, s.close())
}

// tellOrders prints the number of orders and the columns of their table.
func tellOrders(ctx context.Context, path string) error {
	s, err := openStore(ctx, path)
	if err != nil {
		return err
	}
	var orders int
	var columns string
	err = errors.Join(
		s.db.QueryRowContext(ctx, "SELECT count(*) FROM orders").Scan(&orders),
		s.db.QueryRowContext(ctx, "SELECT group_concat(name) FROM pragma_table_info('orders')").Scan(&columns), s.close())
	if err == nil {
		_, err = fmt.Printf("%d %s\n", orders, columns)
	}
	return err
}

func readConfig(path string) (config, error) {
	c := config{Title: "Shop", Currency: "EUR"}
	data, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) {
		return c, nil
	}
	if err == nil {
		err = json.Unmarshal(data, &c)
	}
	if err != nil {
		return c, fmt.Errorf("configuration %s: %w", path, err)
	}
	return c, nil
}

// serve answers until the context ends, then lets open requests end.
func serve(ctx context.Context, listen string, h http.Handler) error {
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", listen)
	if err != nil {
		return err
	}
	server := &http.Server{Handler: h, ReadHeaderTimeout: 10 * time.Second, IdleTimeout: time.Minute}
	slog.InfoContext(ctx, "the shop is open", slog.String("version", version), slog.String("address", l.Addr().String()))
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(l) }()
	select {
	case err := <-ended:
		return err
	case <-ctx.Done():
	}
	slog.InfoContext(ctx, "the shop closes")
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopWithin)
	defer cancel()
	return server.Shutdown(last)
}
