package analysis_test

import (
	"encoding/json"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/ripcord-dev/ripcord/analysis"
)

func windowed() analysis.Metric { return analysis.Metric{Name: "errors", Kind: analysis.KindErrors} }

// failing drives a judge with a canary of 5 % of 200 requests a second; failures
// are the new version's at each look, given how many looks there were.
func failing(t *testing.T, m analysis.Metric, look, until time.Duration, failures func(i int) float64) (time.Duration, analysis.Decision) {
	t.Helper()
	c := begin(t, m)
	c.look = look
	var d analysis.Decision
	for i := 0; time.Duration(i)*look < until; i++ {
		n := 200 * look.Seconds()
		if d = c.step(.05*n, failures(i), .95*n, 0); d.Verdict == analysis.VerdictRollBack {
			return time.Duration(i+1) * look, d
		}
	}
	return 0, d
}

// TestFuseCatchesWhatWindowsMiss: a canary that failed 5 % of its requests beside
// one that failed none was not rolled back after 113 failures.
func TestFuseCatchesWhatWindowsMiss(t *testing.T) {
	t.Parallel()
	for _, look := range []time.Duration{time.Second, 2 * time.Second, 5 * time.Second} {
		sum := 0.0
		at, d := failing(t, windowed(), look, time.Minute, func(i int) float64 {
			whole := float64(int(.5*look.Seconds()*float64(i+1) + .5)) // one each two seconds
			now := whole - sum
			sum = whole
			return now
		})
		if at == 0 || at > 20*time.Second {
			t.Errorf("looks each %s: rolled back after %s", look, at)
		}
		if !strings.Contains(d.Reason, "of the new version failed, none of ") || !strings.Contains(d.Reason, "requests") {
			t.Errorf("looks each %s: %s", look, d.Reason)
		}
		t.Log(at, d.Reason)
	}
}

// TestOneBurstDoesNotBlowTheFuse: however many requests fail within ten seconds,
// the version stays.
func TestOneBurstDoesNotBlowTheFuse(t *testing.T) {
	t.Parallel()
	for begin := 5; begin < 9; begin++ {
		at, d := failing(t, windowed(), time.Second, 10*time.Minute, func(i int) float64 {
			if i >= begin && i < begin+10 {
				return 10
			}
			return 0
		})
		if at != 0 {
			t.Errorf("rolled back after %s: %s", at, d.Reason)
		}
		if f := d.Evidence[0].Fuse; f == nil || f.LogE >= f.Limit {
			t.Errorf("%+v", f)
		}
	}
}

func TestFuseCanBeOff(t *testing.T) {
	t.Parallel()
	off := windowed()
	off.Fuse.Off = true
	at, d := failing(t, off, 2*time.Second, 40*time.Second, func(int) float64 { return 1 })
	if at != 0 || d.Evidence[0].Fuse != nil {
		t.Errorf("after %s: %+v", at, d.Evidence[0])
	}
	for name, m := range map[string]analysis.Metric{
		"latency":      {Name: "m", Kind: analysis.KindLatency, Fuse: analysis.Fuse{Part: .1}},
		"all of alpha": {Name: "m", Kind: analysis.KindErrors, Fuse: analysis.Fuse{Part: 1}},
		"no time":      {Name: "m", Kind: analysis.KindErrors, Fuse: analysis.Fuse{Cluster: -1}},
	} {
		if _, err := analysis.New(analysis.Spec{Metrics: []analysis.Metric{m}}); err == nil {
			t.Errorf("%s is accepted", name)
		}
	}
}

// TestOldVersionsBurstsDullTheFuse: where the old version is seen to stumble, a
// stumble of the new one counts for less.
func TestOldVersionsBurstsDullTheFuse(t *testing.T) {
	t.Parallel()
	p, err := analysis.NewFuseProcess(analysis.Limits{Tolerance: 1.25, Worse: 2, Floor: .0005}, analysis.Fuse{}, .01)
	if err != nil {
		t.Fatal(err)
	}
	sharp := p
	for i := range 300 {
		bad := 20 * float64(b2i(i%30 == 0))
		if p, err = p.Add(interval(0, bad)); err != nil {
			t.Fatal(err)
		}
	}
	before := p.LogE()
	for range 20 {
		if p, err = p.Add(interval(5, 0)); err != nil {
			t.Fatal(err)
		}
		if sharp, err = sharp.Add(interval(5, 0)); err != nil {
			t.Fatal(err)
		}
	}
	if grown := p.LogE() - before; grown > sharp.LogE()/3 {
		t.Errorf("grown by %v, a sharp one by %v", grown, sharp.LogE())
	}
}

// interval is two seconds with a quarter of 400 requests on the new version.
func interval(newFailures, oldFailures float64) analysis.Interval {
	return analysis.Interval{Seconds: 2, Counts: analysis.Counts{
		New: analysis.ArmCounts{Requests: 100, Failures: newFailures},
		Old: analysis.ArmCounts{Requests: 300, Failures: oldFailures},
	}}
}

// TestFuseSeldomBlowsOnIndependentFailures: of healthy versions at the edge of the
// tolerance at most three in a thousand, however often one looks.
func TestFuseSeldomBlowsOnIndependentFailures(t *testing.T) {
	t.Parallel()
	const releases, looks = 400, 300
	blown := 0
	for seed := range uint64(releases) {
		r := chance(seed)
		p, err := analysis.NewFuseProcess(analysis.Limits{Tolerance: 1.25, Worse: 2, Floor: .0005}, analysis.Fuse{}, .01)
		if err != nil {
			t.Fatal(err)
		}
		for range looks {
			if p, err = p.Add(interval(failures(r, 100, .0125), failures(r, 300, .01))); err != nil {
				t.Fatal(err)
			}
			if p.LogE() >= 5.809 {
				blown++
				break
			}
		}
	}
	if blown > 5 { // 1.2 are expected at most; more than 5 has a chance below 0.002
		t.Errorf("%d of %d", blown, releases)
	}
}

func failures(r *rand.Rand, n int, rate float64) float64 {
	count := 0.0
	for range n {
		if r.Float64() < rate {
			count++
		}
	}
	return count
}

// TestStateWithoutFuseIsRestored: a run that began with a binary without fuses goes
// on, and its fuse begins then.
func TestStateWithoutFuseIsRestored(t *testing.T) {
	t.Parallel()
	off := windowed()
	off.Fuse.Off = true
	c := begin(t, off)
	for range 10 {
		c.step(500, 1, 1500, 2)
	}
	old := strings.ReplaceAll(string(stateOf(t, c.judge)), `"v":2`, `"v":1`)
	now := analysis.Spec{Metrics: []analysis.Metric{windowed()}}
	j, err := analysis.Restore(now, []byte(old))
	if err != nil {
		t.Fatal(err)
	}
	if f := j.Decide().Evidence[0].Fuse; f == nil || f.LogE != 0 {
		t.Errorf("%+v", f)
	}
	c.judge = j
	c.step(500, 1, 1500, 2)
	if _, err := analysis.Restore(analysis.Spec{Metrics: []analysis.Metric{off}}, stateOf(t, j)); err == nil {
		t.Error("a state with a fuse is restored without")
	}
}

func FuzzFuseState(f *testing.F) {
	p, err := analysis.NewFuseProcess(analysis.Limits{Tolerance: 1.25, Worse: 2, Floor: .0005}, analysis.Fuse{}, .01)
	if err != nil {
		f.Fatal(err)
	}
	for range 10 {
		if p, err = p.Add(interval(2, 1)); err != nil {
			f.Fatal(err)
		}
	}
	seed, err := json.Marshal(p)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(seed)
	f.Add([]byte(`{"v":2,"kind":"fuse"}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		var p analysis.FuseProcess
		if json.Unmarshal(data, &p) != nil {
			return
		}
		again, err := json.Marshal(p)
		if err != nil {
			t.Fatal(err)
		}
		var q analysis.FuseProcess
		if err := json.Unmarshal(again, &q); err != nil || q != p {
			t.Fatalf("%v: %s", err, again)
		}
	})
}

// TestFuseWorksBesideAnotherMetric: a canary judges failures and latency together,
// so that the fuse has to prove twice as much.
func TestFuseWorksBesideAnotherMetric(t *testing.T) {
	t.Parallel()
	c := begin(t, windowed(), analysis.Metric{Name: "memory", Kind: analysis.KindGauge, NoData: analysis.Policy{Do: analysis.ReactionContinue}})
	c.look = 2 * time.Second
	var d analysis.Decision
	looks := 0
	for ; looks < 30 && d.Verdict != analysis.VerdictRollBack; looks++ {
		d = c.step(20, 1, 380, 0)
	}
	if at := time.Duration(looks) * c.look; at > 20*time.Second {
		t.Errorf("rolled back after %s: %s", at, d.Reason)
	}
	if len(d.Culprits) != 1 || d.Culprits[0] != "errors" {
		t.Errorf("%v", d.Culprits)
	}
}
