package watch

import (
	"encoding/json"

	"github.com/ripcord-dev/ripcord"
)

// memory is what a watch records, and the whole of what it goes on from.
type memory struct {
	// Watched is the time watched so far.
	Watched ripcord.Duration `json:"watched"`
	// Restarts are the instances' restarts when the watch began, by ID.
	Restarts map[string]int `json:"restarts,omitempty"`
	// Traffic is what the proxy counted so far.
	Traffic *traffic `json:"traffic,omitempty"`
	// Well are the checks that answered well at least once.
	Well map[string]bool `json:"well,omitempty"`
}

// traffic are counters since the watch began. Raw ones are the proxy's own, to
// count on from: they begin anew when the proxy does. Errors are the version's;
// Refused is what the proxy did not give it.
type traffic struct {
	Requests    uint64 `json:"requests"`
	Errors      uint64 `json:"errors"`
	Refused     uint64 `json:"refused,omitempty"`
	RawRequests uint64 `json:"raw_requests"`
	RawErrors   uint64 `json:"raw_errors"`
	RawRefused  uint64 `json:"raw_refused,omitempty"`
}

// since is what came between two looks.
func (t traffic) since(before traffic) traffic {
	return traffic{Requests: t.Requests - before.Requests, Errors: t.Errors - before.Errors, Refused: t.Refused - before.Refused}
}

func recall(a ripcord.Attempt) (*memory, error) {
	m := &memory{Well: map[string]bool{}}
	if len(a.Progress) == 0 {
		return m, nil
	}
	if err := json.Unmarshal(a.Progress[len(a.Progress)-1], m); err != nil {
		return nil, ripcord.Errorf(ripcord.CodeInternal, "watch: recorded progress is damaged: %w", err)
	}
	if m.Well == nil {
		m.Well = map[string]bool{}
	}
	return m, nil
}
