package dataplane

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/ripcord-dev/ripcord"
)

func TestArm(t *testing.T) {
	t.Parallel()
	since := time.Unix(1_800_000_000, 5).UTC()
	stats := Stats{Sides: map[string]SideStats{
		"": {Requests: 9},
		"green-next": {
			Since: since, Requests: 100, Failed: 3, Left: 2, Errors: ErrorStats{Own: 10},
			Latency: latencyOf([]uint64{0: 10, 20: 70, bucketCount - 1: 10}, 5),
			Testers: &SideStats{Requests: 7, Failed: 7},
			Targets: map[string]TargetStats{"a:1": {}, "b:2": {}},
		},
	}}
	want := ripcord.Arm{Counters: []ripcord.Counter{{
		Series: "green-next since 2027-01-15T08:00:00.000000005Z", Requests: 90, Failures: 5,
	}}}
	for _, side := range []ripcord.Side{{Colour: "green", Addresses: "b:2, a:1"}, {Colour: "green-next"}} {
		got := stats.Arm(side)
		if !got.HasData() {
			t.Fatalf("%+v: no data", side)
		}
		buckets := got.Counters[0].Buckets
		first, last := buckets[0], buckets[len(buckets)-1]
		if first.Count != 10 || last.Count != 80 || first.UpTo >= last.UpTo {
			t.Errorf("from %+v to %+v", first, last)
		}
		if diff := cmp.Diff(want, got, cmpopts.IgnoreFields(ripcord.Counter{}, "Buckets")); diff != "" {
			t.Errorf("%+v: %s", side, diff)
		}
	}
	for _, side := range []ripcord.Side{{}, {Colour: "blue"}, {Colour: "green-next", Addresses: "c:3"}} {
		if arm := stats.Arm(side); arm.HasData() {
			t.Errorf("%+v: %+v", side, arm)
		}
	}
}
