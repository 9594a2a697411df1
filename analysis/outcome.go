package analysis

// Outcome is what one metric says at one time.
type Outcome string

// The four outcomes.
const (
	// OutcomePass: there is data, and nothing is wrong.
	OutcomePass Outcome = "pass"
	// OutcomeFail: there is data, and it is bad.
	OutcomeFail Outcome = "fail"
	// OutcomeNoData: the metrics system answered that it knows nothing.
	OutcomeNoData Outcome = "no-data"
	// OutcomeError: the metrics system did not answer, or not sensibly.
	OutcomeError Outcome = "error"
)

// Verdict is what all metrics together say.
type Verdict string

// The verdicts.
const (
	// VerdictContinue: nothing is proved yet, either way.
	VerdictContinue Verdict = "continue"
	// VerdictPromote: the canary is proved to be good enough.
	VerdictPromote Verdict = "promote"
	// VerdictRollBack: the canary is proved to be worse, or a rule says so. It
	// stays: what is seen later does not take it back.
	VerdictRollBack Verdict = "roll-back"
	// VerdictHold: a metric has been silent for too long to decide anything.
	VerdictHold Verdict = "hold"
)

// Action is what happens when a metric fails.
type Action string

// The actions.
const (
	// ActionFail rolls back. The default.
	ActionFail Action = "fail"
	// ActionWarn tells people.
	ActionWarn Action = "warn"
)

// Policy is what happens when a metric has been silent (no data, or an error) for
// After seconds without a break. Before that the release waits: nothing advances
// or fails because of it.
type Policy struct {
	Do    Reaction `json:"do,omitempty"`
	After float64  `json:"after,omitempty"`
}

// Reaction is what a policy does.
type Reaction string

// The reactions.
const (
	// ReactionHold waits for a person. The default.
	ReactionHold Reaction = "hold"
	// ReactionContinue goes on without the metric. A promotion still needs its
	// evidence from a metric of failures; silence is never a pass.
	ReactionContinue Reaction = "continue"
	// ReactionFail rolls back.
	ReactionFail Reaction = "fail"
)
