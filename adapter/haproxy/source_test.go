package haproxy_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/ripcord-dev/ripcord"
	"github.com/ripcord-dev/ripcord/adapter/adaptertest"
	"github.com/ripcord-dev/ripcord/adapter/haproxy"
)

func TestSourceConformance(t *testing.T) {
	t.Parallel()
	adaptertest.RunSource(t, adaptertest.SourceConfig{New: func(t *testing.T) adaptertest.SourceFixture {
		t.Helper()
		blue, green := startTarget(t, "blue"), startTarget(t, "green")
		b := startBalancer(t, lines("blue", blue)+lines("green", green))
		b.answers(t, 5)
		settings, err := json.Marshal(map[string]string{"socket": b.socket, "backend": "shop"})
		if err != nil {
			t.Fatal(err)
		}
		return adaptertest.SourceFixture{
			Source: haproxy.NewSource(time.Now), Scope: adaptertest.NewScope(t),
			Spec:    ripcord.MetricSpec{Name: "errors", Source: haproxy.Kind, Settings: settings},
			Sides:   ripcord.Sides{New: ripcord.Side{Colour: "green", Addresses: green.addr()}, Old: ripcord.Side{Colour: "blue", Addresses: blue.addr()}},
			Silence: func(*testing.T) { b.stop() },
		}
	}})
}
