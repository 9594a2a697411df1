package watch

import (
	"strings"
	"time"

	"github.com/ripcord-dev/ripcord"
	"github.com/ripcord-dev/ripcord/adapter/internal/health"
)

// settings are the step's own.
type settings struct {
	For ripcord.Duration `json:"for"`
	// Interval is the pause between two looks; 0 is 1 s.
	Interval ripcord.Duration `json:"interval"`
	// Failures is how many bad looks in a row fail the watch; 0 is 3.
	Failures int `json:"failures"`
	// Flapping is what else fails it: good and bad looks by turns.
	Flapping health.Flapping   `json:"flapping"`
	Checks   []health.Settings `json:"checks"`
	// Targets are addresses with commas, each asked for Path, or connected to
	// where there is none.
	Targets string `json:"targets"`
	Path    string `json:"path"`
	Proxy   *proxy `json:"proxy"`
	// Instances are the prefixes, with commas, of the supervised instances that
	// may not crash; empty is those that listen at a target.
	Instances string `json:"instances"`
}

// proxy says which counters of the built-in proxy are judged.
type proxy struct {
	// Directory is where the proxy works.
	Directory string `json:"directory"`
	// Side is the colour whose counters count; empty is the one with the route.
	Side string `json:"side"`
	// MaxErrorRatio is the largest share of requests that may fail; unset is 0.05.
	MaxErrorRatio *float64 `json:"max_error_ratio"`
	// MinRequests is how many requests a judgement needs; unset is 20, and 0
	// also accepts a watch without any request.
	MinRequests *int `json:"min_requests"`
	// Demanded says that fewer requests fail the watch; else the traffic is not
	// judged then, and the watch says so.
	Demanded bool `json:"demanded"`
}

const (
	defaultRatio    = 0.05
	defaultRequests = 20
	longest         = 30 * 24 * time.Hour
)

func parse(data []byte) (settings, error) {
	var s settings
	if err := health.Decode("watch", data, &s); err != nil {
		return s, err
	}
	if s.Interval == 0 {
		s.Interval = ripcord.Duration(time.Second)
	}
	if s.Failures == 0 {
		s.Failures = 3
	}
	switch {
	case s.For <= 0 || s.For.Std() > longest:
		return s, ripcord.Errorf(ripcord.CodePlan, "watch: for must lie above 0 and below 30 days").WithFix("write for: 10m")
	case s.Interval.Std() < 10*time.Millisecond || s.Interval.Std() > time.Hour:
		return s, ripcord.Errorf(ripcord.CodePlan, "watch: the interval must lie between 10ms and 1h")
	case s.Failures < 0 || s.Failures > 1000:
		return s, ripcord.Errorf(ripcord.CodePlan, "watch: failures must lie between 1 and 1000")
	case s.Path != "" && s.Targets == "":
		return s, ripcord.Errorf(ripcord.CodePlan, "watch: path needs targets")
	}
	s.Flapping.Complete()
	if err := s.Flapping.Refuse("watch"); err != nil {
		return s, err
	}
	if s.Targets != "" {
		s.Checks = append(s.Checks, health.Settings{Targets: s.Targets, Path: s.Path})
	}
	for i := range s.Checks {
		if s.Checks[i].Interval == 0 {
			s.Checks[i].Interval = s.Interval
		}
		if s.Checks[i].Flapping == (health.Flapping{}) {
			s.Checks[i].Flapping = s.Flapping
		}
		if err := s.Checks[i].Complete("watch"); err != nil {
			return s, err
		}
	}
	return s, s.completeProxy()
}

// prefixes lists the beginnings of the ids of the instances that may not crash.
func (s *settings) prefixes() []string {
	var all []string
	for prefix := range strings.SplitSeq(s.Instances, ",") {
		if prefix = strings.TrimSpace(prefix); prefix != "" {
			all = append(all, prefix)
		}
	}
	return all
}

// addresses are the targets of all checks.
func (s *settings) addresses() map[string]bool {
	all := map[string]bool{}
	for _, check := range s.Checks {
		for target := range strings.SplitSeq(check.Targets, ",") {
			if target = strings.TrimSpace(target); target != "" {
				all[target] = true
			}
		}
	}
	return all
}

func (s *settings) completeProxy() error {
	p := s.Proxy
	if p == nil {
		return nil
	}
	if p.MaxErrorRatio == nil {
		p.MaxErrorRatio = new(defaultRatio)
	}
	if p.MinRequests == nil {
		p.MinRequests = new(defaultRequests)
	}
	switch {
	case p.Directory == "":
		return ripcord.Errorf(ripcord.CodePlan, "watch: proxy needs its directory")
	case *p.MaxErrorRatio < 0 || *p.MaxErrorRatio >= 1:
		return ripcord.Errorf(ripcord.CodePlan, "watch: max_error_ratio must lie from 0 to below 1").WithFix("write 0.05 for 5 %%")
	case *p.MinRequests < 0:
		return ripcord.Errorf(ripcord.CodePlan, "watch: min_requests must not be below 0")
	}
	return nil
}
