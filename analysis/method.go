package analysis

// Method is how failures are compared between the two versions.
type Method string

// The methods.
const (
	// MethodCounts compares request by request (CountProcess): fast, and right
	// only where failures are close to independent.
	MethodCounts Method = "counts"
	// MethodFractions makes one bet for each window (FractionProcess). The default.
	MethodFractions Method = "fractions"
)

func (m Method) known() bool { return m == MethodCounts || m == MethodFractions }

// DefaultWindow is the window of MethodFractions in seconds: three clusters of
// ten seconds, and a decision twice a minute.
const DefaultWindow = 30.0

// MaxDispersion is the largest dispersion at which MethodCounts is allowed.
const MaxDispersion = 1.2

// Choice is the method for one metric with the reason for it.
type Choice struct {
	Method Method `json:"method"`
	// Window is in seconds, 0 with MethodCounts.
	Window float64 `json:"window,omitempty"`
	// Guard is the longest burst in seconds that must not decide by itself, with
	// MethodCounts; 0 is no guard. See ChooseAlone.
	Guard float64 `json:"guard,omitempty"`
	// Dispersion is that of the old version against itself; 0 is unknown.
	Dispersion float64 `json:"dispersion,omitempty"`
	// Reason says in a sentence why.
	Reason string `json:"reason,omitempty"`
}

// DefaultChoice is the safe one, for when nothing is known.
func DefaultChoice() Choice {
	return Choice{
		Method: MethodFractions, Window: DefaultWindow,
		Reason: "nothing is known of how failures cluster, so windows are compared",
	}
}

// guarded reports whether requests are compared with a bound on what a burst proves.
func (c Choice) guarded() bool { return c.Method == MethodCounts && c.Guard > 0 }
