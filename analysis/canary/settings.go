package canary

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"time"

	"github.com/ripcord-dev/ripcord"
	"github.com/ripcord-dev/ripcord/analysis"
)

// Settings are those of an analyze step.
type Settings struct {
	New ripcord.Side `json:"new"`
	Old ripcord.Side `json:"old"`
	// Interval is the pause between two readings.
	Interval ripcord.Duration `json:"interval"`
	// Shift is the step after which all traffic goes to the new version.
	Shift ripcord.StepID `json:"shift"`
	// Shares are the stages' parts of the traffic in percent, for a forecast.
	Shares  []float64 `json:"shares,omitempty"`
	Alpha   float64   `json:"alpha,omitempty"`
	Beta    float64   `json:"beta,omitempty"`
	Metrics []Metric  `json:"metrics"`
}

// Metric is what is judged, and where it is read.
type Metric struct {
	analysis.Metric
	Source   string          `json:"source"`
	Settings json.RawMessage `json:"settings,omitempty"`
}

const (
	defaultInterval = 5 * time.Second
	longestInterval = 10 * time.Second
)

func decode(what string, spec ripcord.StepSpec, into any) error {
	decoder := json.NewDecoder(bytes.NewReader(spec.Settings))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(into); err != nil {
		return ripcord.Errorf(ripcord.CodePlan, "step %q: %w", spec.ID, err).WithFix("compare the step's settings with those of kind %s", what)
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return ripcord.Errorf(ripcord.CodePlan, "step %q: text after the end of the settings", spec.ID)
	}
	return nil
}

func decodeAnalysis(spec ripcord.StepSpec) (Settings, error) {
	set := Settings{Interval: ripcord.Duration(defaultInterval)}
	if err := decode("analyze", spec, &set); err != nil {
		return set, err
	}
	if set.Interval <= 0 || set.Interval.Std() > longestInterval {
		return set, ripcord.Errorf(ripcord.CodePlan, "step %q: an interval of %s", spec.ID, set.Interval).
			WithFix("write one of at most %s: a bad version harms users until it is seen", longestInterval)
	}
	return set, nil
}

// spec is what the judge judges by.
func (s *Settings) spec() analysis.Spec {
	spec := analysis.Spec{Alpha: s.Alpha, Beta: s.Beta}
	for i := range s.Metrics {
		spec.Metrics = append(spec.Metrics, s.Metrics[i].Metric)
	}
	return spec
}
