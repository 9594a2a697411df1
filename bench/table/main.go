// Command table prints the figures that the benchmarks before it have saved in
// the file that RIPCORD_BENCH_FIGURES names, as a table for docs/benchmarks.md.
package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/ripcord-dev/ripcord/bench/figure"
)

func main() {
	if err := table(os.Getenv("RIPCORD_BENCH_FIGURES"), os.Stdout, time.Now()); err != nil {
		_, _ = fmt.Fprintln(os.Stderr, "bench/table:", err)
		os.Exit(1)
	}
}

func table(path string, to io.Writer, now time.Time) (err error) {
	file, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("the figures: %w", err)
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	_, err = fmt.Fprintf(to, "\n%s, %s\n\n| what | median | half of them | aim | | behind it |\n|---|---|---|---|---|---|\n",
		now.UTC().Format(time.DateOnly), figure.Now(os.TempDir()))
	for decoder := json.NewDecoder(file); err == nil; {
		var f figure.Figure
		if err := decoder.Decode(&f); err != nil {
			if errors.Is(err, io.EOF) {
				return nil
			}
			return fmt.Errorf("the figures: %w", err)
		}
		_, err = fmt.Fprintf(to, "| %s | %s %s | %s | %s | %s | %s |\n", f.Name, f.MedianText(), f.Unit, f.Spread(), f.AimText(), f.Verdict(), f.Raw)
	}
	return err
}
