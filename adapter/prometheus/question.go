package prometheus

import (
	"fmt"
	"strings"
)

// The parts of an answer, told apart by a label of our own: one query sees one
// moment, also in a server that is scraping meanwhile.
const (
	partLabel    = "ripcord_part"
	partRequests = "requests"
	partFailures = "failures"
	partBuckets  = "buckets"
	partValue    = "value"
	// partAt is when an instance was scraped last, partSeen how often it was in
	// each of windows.
	partAt   = "at"
	partSeen = "seen"
)

// windows are in seconds: short ones tell the interval of scrapes of an instance
// that has just begun, long ones that of slow scrapes.
func windows() []int { return []int{10, 60, 300} }

// perInstance is what a series of an instance has in common with its others.
const perInstance = "by (job, instance) "

// question is the query for one side.
func (m *metric) question() string {
	switch {
	case m.isValue() && !m.plain:
		return m.set.Value
	case m.isValue():
		return union(append(freshness("", m.set.Value), part(partValue, m.set.Value)))
	case m.buckets.text != "":
		return union(append(freshness(perInstance, m.buckets.text), part(partBuckets, "sum by (job, instance, le) ("+m.buckets.text+")")))
	}
	parts := append(freshness(perInstance, m.requests.text), part(partRequests, "sum "+perInstance+"("+m.requests.text+")"))
	if m.failures.text != "" {
		parts = append(parts, part(partFailures, "sum "+perInstance+"("+m.failures.text+")"))
	}
	return union(parts)
}

// freshness asks how new a selector's series are.
func freshness(by, selector string) []string {
	parts := []string{part(partAt, "max "+by+"(timestamp("+selector+"))")}
	for _, w := range windows() {
		parts = append(parts, part(fmt.Sprintf("%s%d", partSeen, w), fmt.Sprintf("max %s(count_over_time(%s[%ds]))", by, selector, w)))
	}
	return parts
}

// part marks the series of an expression. No label is made of the user's.
func part(name, expression string) string {
	return fmt.Sprintf(`label_replace(%s, %q, %q, "", "")`, expression, partLabel, name)
}

func union(parts []string) string { return strings.Join(parts, " or ") }
