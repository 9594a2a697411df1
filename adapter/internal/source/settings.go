// Package source is what the metric sources that are asked over HTTP have in
// common: their settings, the references to a side in them, and the question.
package source

import (
	"maps"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/ripcord-dev/ripcord"
	"github.com/ripcord-dev/ripcord/adapter/internal/health"
)

// Settings are those of one metric: the system's, and what is read of it. All
// texts may hold ${secret:NAME} and the references that ripcord.Side knows.
type Settings struct {
	URL     string            `json:"url"`
	Headers map[string]string `json:"headers,omitempty"`
	// Timeout is the longest one question may take; zero is 3 seconds.
	Timeout ripcord.Duration `json:"timeout,omitempty"`
	// Requests and Failures are cumulative counters, Buckets is a histogram of
	// durations in seconds, Value a gauge.
	Requests string `json:"requests,omitempty"`
	Failures string `json:"failures,omitempty"`
	Buckets  string `json:"buckets,omitempty"`
	Value    string `json:"value,omitempty"`
}

const (
	defaultTimeout = 3 * time.Second
	longestTimeout = time.Minute
)

// Decode reads the settings of a metric. The error is of CodePlan.
func Decode(spec ripcord.MetricSpec) (Settings, error) {
	var s Settings
	data := spec.Settings
	if len(data) == 0 {
		data = []byte("{}")
	}
	if err := health.Decode("metric "+spec.Name, data, &s); err != nil {
		return s, err
	}
	if s.Timeout == 0 {
		s.Timeout = ripcord.Duration(defaultTimeout)
	}
	if s.Timeout < 0 || s.Timeout.Std() > longestTimeout {
		return s, wrong(spec, "a timeout of %s", s.Timeout).WithFix("write one of at most %s", longestTimeout)
	}
	if err := s.checkURL(spec); err != nil {
		return s, err
	}
	if err := s.checkHeaders(spec); err != nil {
		return s, err
	}
	return s, s.checkShape(spec)
}

func wrong(spec ripcord.MetricSpec, format string, args ...any) *ripcord.Error {
	return ripcord.Errorf(ripcord.CodePlan, "metric "+strings.ReplaceAll(spec.Name, "%", "%%")+": "+format, args...)
}

func (s *Settings) checkURL(spec ripcord.MetricSpec) error {
	const fix = "write http://HOST:PORT, for example http://127.0.0.1:9090"
	if strings.HasPrefix(s.URL, "${secret:") { // all of it is one
		return nil
	}
	u, err := url.Parse(Plain(s.URL))
	switch {
	case err != nil: // its text could hold what stands before the host
		return wrong(spec, "the url is none").WithFix(fix)
	case u.Scheme != "http" && u.Scheme != "https" || u.Host == "":
		return wrong(spec, "the url %q is no address of HTTP", u.Redacted()).WithFix(fix)
	case u.Fragment != "":
		return wrong(spec, "the url %q is that of a page (#%s)", u.Redacted(), u.Fragment).WithFix(fix)
	}
	return nil
}

func (s *Settings) checkHeaders(spec ripcord.MetricSpec) error {
	for name, value := range s.Headers {
		if !regexp.MustCompile("^[A-Za-z0-9!#$%&'*+.^_`|~-]+$").MatchString(name) {
			return wrong(spec, "%q is no name of a header", name).WithFix("write for example Authorization")
		}
		if strings.ContainsAny(value, "\r\n\x00") {
			return wrong(spec, "the header %s has more than one line", name).WithFix("write it in one line")
		}
	}
	return nil
}

// checkShape refuses a metric that is nothing or two things.
func (s *Settings) checkShape(spec ripcord.MetricSpec) error {
	counters := s.Requests != "" || s.Failures != ""
	const fix = "give `requests` and `failures`, or `buckets`, or `value`"
	switch {
	case !counters && s.Buckets == "" && s.Value == "":
		return wrong(spec, "nothing says what is read").WithFix(fix)
	case s.Value != "" && (counters || s.Buckets != ""), counters && s.Buckets != "":
		return wrong(spec, "it is several things at once").WithFix(fix + "; buckets count the requests by themselves")
	case counters && s.Requests == "":
		return wrong(spec, "failures of how many requests?").WithFix("add `requests`: the counter of all requests, failed ones too")
	case counters && s.Failures == "":
		return wrong(spec, "requests alone are neither good nor bad").WithFix("add `failures`: the counter of those that failed")
	}
	for key, text := range map[string]string{"requests": s.Requests, "failures": s.Failures, "buckets": s.Buckets} {
		if text != "" && !s.tellsApart(text) {
			return wrong(spec, "%s is the same for both versions, so that no difference could ever be seen", key).
				WithFix(`tell them apart, for example with {instance=~"${side.instances}"}`)
		}
	}
	return nil
}

// tellsApart reports whether the two sides are asked for different things.
func (s *Settings) tellsApart(text string) bool {
	all := append(slices.Collect(maps.Values(s.Headers)), text, s.URL)
	return strings.Contains(strings.Join(all, " "), "${side.")
}
