// Package analysis turns the metrics of the running version (baseline) and of the
// new one (canary) into a decision: roll back, promote, continue or hold.
//
// Everything here is pure: no clock, no I/O, no randomness. The same observations
// give the same decision, bit for bit, also when the state was saved and restored
// in between.
//
// # How it decides
//
// Evidence against the canary is kept as an e-value: a number that starts at 1,
// and that a canary which is no worse than tolerated is unlikely to drive up. If
// the canary is fine, the chance that its e-value ever reaches 1/alpha, however
// often one looks, is at most alpha (Ville's inequality). That is what makes it
// right to look every ten seconds and to stop at once, which a test with a fixed
// sample does not allow (arXiv:2210.01948, arXiv:2011.03567).
//
// An e-process is such a number as it grows with each interval. All of them are
// small values with a versioned JSON form; they are carried through all traffic
// stages, crashes and processes, and are never reset: starting again after each
// stage would give a bad version a new chance each time, and a good one a new
// chance to fail.
//
//   - [CountProcess]: are the canary's errors too many a share of all errors,
//     request by request? Fast; for errors that are independent of one another.
//   - [FractionProcess]: the same question, one bet for each window; for errors
//     that come in clusters shorter than the window. The default.
//   - [FloorProcess]: is the canary's rate above what is harmless anyway?
//   - [PromoteProcess]: is the canary proved to be good enough?
//   - [GaugeProcess]: is a value (memory, queue length) higher than tolerated?
//
// [Judge] combines them over all metrics of a canary, with thresholds and with
// policies for metrics that say nothing. Package kayenta holds a second judge for
// those who come from Kayenta.
//
// # Four outcomes
//
// A metric passes, fails, has no data, or could not be read. The last two are
// never folded into the first two: no evidence is neither good nor bad.
package analysis
