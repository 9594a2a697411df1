// Package prometheus reads metrics from a Prometheus server, or from anything
// that speaks its HTTP API.
//
// Counters are given as selectors. All series of one instance are added up on the
// server and counted as one life: they are born and die together, so that a
// restart shows in their sum, also for a kind of failure that has not come again
// since. What Prometheus has not scraped any more is no data, not a constant.
package prometheus
