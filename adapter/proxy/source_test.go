package proxy_test

import (
	"encoding/json"
	"testing"

	"github.com/ripcord-dev/ripcord"
	"github.com/ripcord-dev/ripcord/adapter/adaptertest"
	"github.com/ripcord-dev/ripcord/adapter/adaptertest/port"
	"github.com/ripcord-dev/ripcord/adapter/proxy"
)

func TestSourceConformance(t *testing.T) {
	t.Parallel()
	adaptertest.RunSource(t, adaptertest.SourceConfig{New: func(t *testing.T) adaptertest.SourceFixture {
		t.Helper()
		scope, listen := newScope(t), port.Address(t)
		blue, green := startTarget(t, "blue"), startTarget(t, "green")
		apply(t, open(t, scope, spec(t, listen, "blue", nil, blue)))
		stages(t, scope, listen, green, 50)
		for range 4 {
			answer(listen)
		}
		directory := proxy.Directory(scope.StateDir, scope.Application, scope.Environment, "front")
		settings, err := json.Marshal(map[string]string{"directory": directory})
		if err != nil {
			t.Fatal(err)
		}
		return adaptertest.SourceFixture{
			Source: proxy.NewSource(), Scope: scope,
			Spec:  ripcord.MetricSpec{Name: "errors", Source: proxy.Kind, Settings: settings},
			Sides: ripcord.Sides{New: ripcord.Side{Colour: "green", Addresses: green.addr()}, Old: ripcord.Side{Colour: "blue", Addresses: blue.addr()}},
			Silence: func(t *testing.T) {
				t.Helper()
				id := proxy.InstanceID(scope.Application, scope.Environment, "front")
				if err := scope.Supervisor.Stop(t.Context(), id); err != nil {
					t.Fatal(err)
				}
			},
		}
	}})
}
