// Package figure is what all benchmarks share: the median of repeated
// measurements with its spread and its aim, the conditions that it was measured
// under, and the raw speed of the disk.
package figure

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
)

// Figure is one measured property.
type Figure struct {
	Name string `json:"name"`
	Unit string `json:"unit"`
	// Median, Low and High are of the repetitions; Low and High are their
	// quartiles.
	Median float64 `json:"median"`
	Low    float64 `json:"low"`
	High   float64 `json:"high"`
	Count  int     `json:"count"`
	// Aim is the least value to reach, or, with AtMost, the largest one. 0 is none.
	Aim    float64 `json:"aim"`
	AtMost bool    `json:"at_most"`
	// Raw are the absolute figures behind it.
	Raw string `json:"raw"`
}

// Of returns the figure of repeated measurements.
func Of(name, unit string, values []float64) Figure {
	sorted := slices.Sorted(slices.Values(values))
	if len(sorted) == 0 {
		return Figure{Name: name, Unit: unit}
	}
	return Figure{
		Name: name, Unit: unit, Count: len(sorted),
		Median: sorted[len(sorted)/2], Low: sorted[len(sorted)/4], High: sorted[len(sorted)*3/4],
	}
}

// Median is the middle of the values.
func Median(values []float64) float64 { return Of("", "", values).Median }

// AtLeast sets the least value to reach.
func (f Figure) AtLeast(aim float64) Figure {
	f.Aim, f.AtMost = aim, false
	return f
}

// Below sets the largest value.
func (f Figure) Below(aim float64) Figure {
	f.Aim, f.AtMost = aim, true
	return f
}

// With adds the absolute figures behind it.
func (f Figure) With(format string, args ...any) Figure {
	f.Raw = fmt.Sprintf(format, args...)
	return f
}

// Verdict says whether the median reaches the aim.
func (f Figure) Verdict() string {
	switch {
	case f.Aim == 0:
		return ""
	case f.AtMost && f.Median < f.Aim, !f.AtMost && f.Median >= f.Aim:
		return "reached"
	default:
		return "missed"
	}
}

// AimText is the aim for people.
func (f Figure) AimText() string {
	switch {
	case f.Aim == 0:
		return "none"
	case f.AtMost:
		return "< " + number(f.Aim)
	default:
		return ">= " + number(f.Aim)
	}
}

// MedianText is the median for people, Spread the quartiles around it.
func (f Figure) MedianText() string { return number(f.Median) }

// Spread are the quartiles for people.
func (f Figure) Spread() string { return number(f.Low) + " to " + number(f.High) }

func number(v float64) string {
	if v >= 10 {
		return fmt.Sprintf("%.0f", v)
	}
	return fmt.Sprintf("%.2f", v)
}

// Report prints the figures with the conditions and adds them to the file that
// RIPCORD_BENCH_FIGURES names, where it does, for the table at the end.
func Report(to io.Writer, conditions Conditions, figures ...Figure) error {
	_, err := fmt.Fprintf(to, "conditions: %s\n", conditions)
	for _, f := range figures {
		_, printed := fmt.Fprintf(to, "%s: %s %s (half of %d between %s; aim %s) %s\n    %s\n",
			f.Name, f.MedianText(), f.Unit, f.Count, f.Spread(), f.AimText(), f.Verdict(), f.Raw)
		err = errors.Join(err, printed)
	}
	path := os.Getenv("RIPCORD_BENCH_FIGURES")
	if err != nil || path == "" {
		return err
	}
	return save(path, figures)
}

func save(path string, figures []Figure) (err error) {
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	encoder := json.NewEncoder(file)
	for _, f := range figures {
		if err := encoder.Encode(f); err != nil {
			return err
		}
	}
	return nil
}
