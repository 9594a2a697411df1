package nginx_test

import (
	"encoding/json"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/ripcord-dev/ripcord"
	"github.com/ripcord-dev/ripcord/adapter/adaptertest"
	"github.com/ripcord-dev/ripcord/adapter/nginx"
)

func TestSourceConformance(t *testing.T) {
	t.Parallel()
	adaptertest.RunSource(t, adaptertest.SourceConfig{New: func(t *testing.T) adaptertest.SourceFixture {
		t.Helper()
		scope := adaptertest.NewScope(t)
		blue, green := startTarget(t, "blue"), startTarget(t, "green")
		b := startBalancer(t, upstream(blue))
		apply(t, open(t, scope, spec(t, b, "green", map[string]any{"weight": 50, "log": b.log()}, green)))
		settings, err := json.Marshal(map[string]any{"log": b.log()})
		if err != nil {
			t.Fatal(err)
		}
		lines := func() int { return strings.Count(read(t, b.log()), "\n") }
		return adaptertest.SourceFixture{
			Source: nginx.NewSource(time.Now), Scope: scope,
			Spec:  ripcord.MetricSpec{Name: "errors", Source: nginx.Kind, Settings: settings},
			Sides: ripcord.Sides{New: ripcord.Side{Colour: "green", Addresses: green.addr()}, Old: ripcord.Side{Colour: "blue", Addresses: blue.addr()}},
			Traffic: func(t *testing.T) {
				t.Helper()
				const requests = 40 // that one side has none of them happens once in 10^12
				before := lines()
				b.answers(t, requests)
				waitFor(t, "the log", func() bool { return lines() >= before+requests })
			},
			Silence: func(t *testing.T) {
				t.Helper()
				if err := os.Remove(b.log()); err != nil {
					t.Fatal(err)
				}
			},
		}
	}})
}
