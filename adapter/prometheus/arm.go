package prometheus

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"

	"github.com/ripcord-dev/ripcord"
)

// life is all that is known of one instance.
type life struct {
	asked              float64
	at                 float64
	seen               map[int]float64
	requests, failures *float64
	value              *float64
	buckets            []ripcord.Bucket
	values             int
}

// lives sorts samples by instance and part.
func lives(samples []sample) (map[string]*life, error) {
	all := map[string]*life{}
	for i := range samples {
		s := &samples[i]
		name := s.labels["instance"]
		if s.labels["job"] != "" {
			name = s.labels["job"] + "/" + name
		}
		if s.labels[partLabel] == partValue {
			name = ""
		}
		l := all[name]
		if l == nil {
			l = &life{seen: map[int]float64{}}
			all[name] = l
		}
		if err := l.add(s); err != nil {
			return nil, err
		}
	}
	return all, nil
}

func (l *life) add(s *sample) error {
	l.asked = s.at
	switch part := s.labels[partLabel]; part {
	case partRequests:
		l.requests = &s.value
	case partFailures:
		l.failures = &s.value
	case partValue:
		l.value = &s.value
		l.values++
	case partAt:
		l.at = s.value
	case partBuckets:
		upper, err := strconv.ParseFloat(s.labels["le"], 64)
		if err != nil {
			return fmt.Errorf("a bucket's label le is %.40q: are these buckets of a histogram?", s.labels["le"])
		}
		l.buckets = append(l.buckets, ripcord.Bucket{UpTo: upper, Count: s.value})
	default:
		for _, w := range windows() {
			if part == partSeen+strconv.Itoa(w) {
				l.seen[w] = s.value
			}
		}
	}
	return nil
}

const (
	// missed is how many scrapes an instance may miss and still be there.
	missed = 3
	// leastAge in seconds is never too old.
	leastAge = 3.0
	// unknownAge in seconds is too old where nothing tells how often an instance
	// is scraped: two scrapes at the longest interval that Prometheus advises.
	unknownAge = 240.0
)

// fresh reports whether the instance is still scraped. How often that happens is
// told by the shortest window that has seen it twice.
func (l *life) fresh() bool {
	age := l.asked - l.at
	if age <= leastAge {
		return true
	}
	for _, w := range windows() {
		seen, window := l.seen[w], float64(w)
		if seen < 2 || age >= window {
			continue
		}
		return age <= missed*(window-age)/seen
	}
	return age <= unknownAge
}

// counted makes counters of samples; instances that are not scraped any more are
// left out.
func counted(samples []sample) ([]ripcord.Counter, error) {
	all, err := lives(samples)
	if err != nil {
		return nil, err
	}
	var counters []ripcord.Counter
	for name, l := range all {
		if !l.fresh() {
			continue
		}
		c := ripcord.Counter{Series: name}
		switch {
		case l.buckets != nil:
			if c, err = l.histogram(name); err != nil {
				return nil, err
			}
		case l.requests != nil:
			c.Requests = *l.requests
			if l.failures != nil {
				c.Failures = *l.failures
			}
		default: // failures of nobody's requests
			continue
		}
		counters = append(counters, c)
	}
	slices.SortFunc(counters, func(a, b ripcord.Counter) int { return cmp.Compare(a.Series, b.Series) })
	return counters, nil
}

// histogram takes the requests from the bucket without a limit.
func (l *life) histogram(name string) (ripcord.Counter, error) {
	slices.SortFunc(l.buckets, func(a, b ripcord.Bucket) int { return cmp.Compare(a.UpTo, b.UpTo) })
	last := len(l.buckets) - 1
	if !math.IsInf(l.buckets[last].UpTo, 1) {
		return ripcord.Counter{}, errors.New(`the histogram has no bucket le="+Inf": does the selector leave it out?`)
	}
	return ripcord.Counter{Series: name, Requests: l.buckets[last].Count, Buckets: l.buckets[:last]}, nil
}

// single is the one value of a query; nil is no data.
func single(samples []sample, plain bool) (*float64, error) {
	value, many := (*float64)(nil), len(samples)
	if plain {
		all, err := lives(samples)
		if err != nil {
			return nil, err
		}
		l := all[""]
		if l == nil || l.value == nil {
			return nil, nil //nolint:nilnil // nothing is known, and nothing is wrong
		}
		if many = l.values; many == 1 && l.fresh() {
			value = l.value
		}
	} else if many == 1 {
		value = &samples[0].value
	}
	switch {
	case many > 1:
		return nil, fmt.Errorf("the query gives %d values for one version: put sum(...), max(...) or avg(...) around it", many)
	case value == nil || math.IsNaN(*value):
		return nil, nil //nolint:nilnil // as above
	case math.IsInf(*value, 0):
		return nil, errors.New("the value is infinite: something is divided by zero")
	}
	return value, nil
}
