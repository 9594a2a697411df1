package prometheus

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
)

// sample is one series of an instant vector.
type sample struct {
	labels map[string]string
	// at is the time of the question on the server, in seconds.
	at    float64
	value float64
}

// envelope is the form of every answer.
type envelope struct {
	Status    string   `json:"status"`
	ErrorType string   `json:"errorType"`
	Error     string   `json:"error"`
	Warnings  []string `json:"warnings"`
	Data      struct {
		ResultType string          `json:"resultType"`
		Result     json.RawMessage `json:"result"`
	} `json:"data"`
}

// parseAnswer reads an answer. Its error says what the server said; warnings are
// errors, since a part of the data may be missing.
func parseAnswer(status int, body []byte, clean func(string) string) ([]sample, error) {
	var e envelope
	if err := json.Unmarshal(body, &e); err != nil {
		if status != http.StatusOK {
			return nil, fmt.Errorf("the server answers %d", status)
		}
		return nil, errors.New("the answer is not that of a Prometheus: is the address right?")
	}
	switch {
	case status != http.StatusOK || e.Status != "success":
		return nil, refused(status, e, clean)
	case len(e.Warnings) > 0:
		return nil, fmt.Errorf("prometheus warns that the answer may not be whole: %s", clean(strings.Join(e.Warnings, "; ")))
	}
	switch e.Data.ResultType {
	case "vector":
		return parseVector(e.Data.Result)
	case "scalar":
		var p point
		if err := json.Unmarshal(e.Data.Result, &p); err != nil {
			return nil, errors.New("the answer holds no sensible number")
		}
		return []sample{{at: p.at, value: p.value}}, nil
	case "matrix":
		return nil, errors.New("the query gives many values over time: take off its [...], or put a function around it")
	}
	return nil, fmt.Errorf("the query gives a %s, not a number", clean(e.Data.ResultType))
}

func refused(status int, e envelope, clean func(string) string) error {
	message := clean(e.Error)
	if message == "" {
		message = "without a reason"
	}
	switch e.ErrorType {
	case "timeout", "canceled", "unavailable":
		return fmt.Errorf("prometheus could not answer (%d, %s): %s", status, e.ErrorType, message)
	}
	return fmt.Errorf("prometheus refuses the query (%d): %s", status, message)
}

// point is [seconds, "value"].
type point struct{ at, value float64 }

// UnmarshalJSON implements json.Unmarshaler.
func (p *point) UnmarshalJSON(data []byte) error {
	var raw []json.RawMessage
	if err := json.Unmarshal(data, &raw); err != nil {
		return err
	}
	if len(raw) != 2 {
		return fmt.Errorf("a value has %d parts", len(raw))
	}
	var text string
	if err := json.Unmarshal(raw[0], &p.at); err != nil {
		return err
	}
	if err := json.Unmarshal(raw[1], &text); err != nil {
		return err
	}
	value, err := strconv.ParseFloat(text, 64)
	if err != nil {
		return fmt.Errorf("%.40q is no number", text)
	}
	p.value = value
	return nil
}

func parseVector(data json.RawMessage) ([]sample, error) {
	var rows []struct {
		Metric    map[string]string `json:"metric"`
		Value     *point            `json:"value"`
		Histogram json.RawMessage   `json:"histogram"`
	}
	if err := json.Unmarshal(data, &rows); err != nil {
		return nil, errors.New("the answer holds no sensible numbers")
	}
	samples := make([]sample, 0, len(rows))
	for _, row := range rows {
		switch {
		case row.Histogram != nil:
			return nil, errors.New("this is a native histogram: give one with buckets (NAME_bucket)")
		case row.Value == nil:
			return nil, errors.New("a series has no value")
		}
		samples = append(samples, sample{labels: row.Metric, at: row.Value.at, value: row.Value.value})
	}
	return samples, nil
}
