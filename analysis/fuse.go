package analysis

import (
	"fmt"
	"math"

	"github.com/ripcord-dev/ripcord"
)

// The defaults of a fuse.
const (
	// DefaultFusePart is the part of alpha that the fuse may spend: three mistaken
	// roll-backs in a thousand releases of the ten that are allowed.
	DefaultFusePart = 0.3
	// DefaultCluster is the longest burst of failures in seconds that must not
	// blow a fuse by itself.
	DefaultCluster = 10.0
)

// Fuse is what blows beside the windows of MethodFractions when a version fails
// far more than the old one: see FuseProcess. Only KindErrors has one. Zero values
// are defaults, so it is there unless Off.
type Fuse struct {
	Off bool `json:"off,omitempty"`
	// Part is the part of the judge's alpha that it may spend, between 0 and 1;
	// what the windows prove counts for the rest.
	Part float64 `json:"part,omitempty"`
	// Cluster is the longest burst of failures in seconds that must not blow it.
	// A shorter one makes it faster: about 1.6 times Cluster is the soonest.
	Cluster float64 `json:"cluster,omitempty"`
	// Independent says that failures were seen to be independent: only bursts of up
	// to Cluster seconds are held down, not every second failure of a moment. It then
	// stands instead of the windows; see Choice.Guard.
	Independent bool `json:"independent,omitempty"`
}

// guard is the fuse that stands instead of windows.
func (c Choice) guard() Fuse { return Fuse{Part: 1, Cluster: c.Guard, Independent: true} }

func (f Fuse) withDefaults() Fuse {
	f.Part, f.Cluster = orDefault(f.Part, DefaultFusePart), orDefault(f.Cluster, DefaultCluster)
	return f
}

func (f Fuse) check() error {
	if !(f.Part >= 0.001 && f.Part <= 0.999) && !(f.Part == 1 && f.Independent) {
		return ripcord.Errorf(ripcord.CodePlan, "a fuse with a part of %v of alpha", f.Part).
			WithFix("leave it out, or write a number between 0.001 and 0.999, such as 0.3")
	}
	if !(f.Cluster >= 0.1 && f.Cluster <= 3600) {
		return ripcord.Errorf(ripcord.CodePlan, "a fuse for bursts of %v seconds", f.Cluster).
			WithFix("leave it out, or write between 0.1 and 3600 seconds, such as 10")
	}
	return nil
}

// fused reports whether the metric has a fuse.
func (m Metric) fused() bool {
	return m.Kind == KindErrors && (m.Choice.Method == MethodFractions && !m.Fuse.Off || m.Choice.guarded())
}

// Mix is the logarithm of the weighted mean of the e-values of windows and fuse,
// which is an e-value for what both of them test.
func (f Fuse) Mix(windows, fuse float64) float64 {
	f = f.withDefaults()
	return logSumExp([]float64{math.Log1p(-f.Part) + windows, math.Log(f.Part) + fuse})
}

// FuseEvidence is what a fuse has gathered. The logarithms are of e-values.
type FuseEvidence struct {
	// LogE is the smaller of LogRatio and LogFloor; at Limit it blows by itself.
	LogE     float64 `json:"log_e"`
	Limit    float64 `json:"limit"`
	LogRatio float64 `json:"log_ratio"`
	LogFloor float64 `json:"log_floor"`
	// Dullness is by how much everything is divided because the old version's own
	// failures come in bursts; 1 is sharp.
	Dullness float64 `json:"dullness"`
}

// fuseLeads reports whether the fuse is nearer to its limit than the windows.
func (e Evidence) fuseLeads() bool {
	return e.Fuse != nil && e.Total != nil && e.Fuse.LogE-e.Fuse.Limit > min(e.LogRatio, e.LogFloor)-e.Limit
}

// describeFuse says what blew the fuse.
func (e Evidence) describeFuse() string {
	return fmt.Sprintf("%s: %s of the new version failed, %s of the old one: more than any one burst explains (the fuse's e-value %s, limit %s)",
		e.Metric, failed(e.Total.New, "requests"), failed(e.Total.Old, ""), exponential(e.Fuse.LogE), exponential(e.Fuse.Limit))
}

// failed writes "9 of 180 requests", "none of 3,400".
func failed(a ArmCounts, noun string) string {
	count := thousands(a.Failures)
	if a.Failures == 0 {
		count = "none"
	}
	text := count + " of " + thousands(a.Requests)
	if noun != "" {
		text += " " + noun
	}
	return text
}

// thousands writes a count with its thousands apart.
func thousands(v float64) string {
	digits := fmt.Sprintf("%.0f", v)
	for at := len(digits) - 3; at > 0; at -= 3 {
		digits = digits[:at] + "," + digits[at:]
	}
	return digits
}
