// Package kayenta is a judge that labels metrics as Kayenta's NetflixACAJudge
// does: pass, high, low or no data from a Mann-Whitney test of two samples, and a
// score from 0 to 100 over groups of metrics. It is for those who come from
// Kayenta and want the labels that they know beside the evidence of package
// analysis.
//
// It has no guarantee under repeated looks: each look is a new test, so judge at
// the times that were decided beforehand.
//
// Written from the description of the algorithm; the source is
// github.com/spinnaker/kayenta (Apache-2.0), which follows R's wilcox.test. Two
// things differ on purpose. Roots are found to a tolerance relative to the data,
// so that a metric has the same label in seconds and in milliseconds; Kayenta's
// absolute 1e-4 does not. And two constant samples are compared as they are,
// where Kayenta adds random noise, so that labels are reproducible.
package kayenta
