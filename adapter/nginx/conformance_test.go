package nginx_test

import (
	"fmt"
	"maps"
	"strings"
	"testing"

	"github.com/ripcord-dev/ripcord/adapter/adaptertest"
	"github.com/ripcord-dev/ripcord/adapter/nginx"
)

// with is settings with one more.
func with(settings map[string]any, name string, value any) map[string]any {
	out := map[string]any{name: value}
	maps.Copy(out, settings)
	return out
}

// fixture is a world with two old and two new instances.
func fixture(t *testing.T, change map[string]any) adaptertest.Fixture {
	t.Helper()
	scope := adaptertest.NewScope(t)
	blue := []*target{startTarget(t, "blue"), startTarget(t, "blue")}
	green := []*target{startTarget(t, "green"), startTarget(t, "green")}
	b := startBalancer(t, upstream(blue...))
	short := spec(t, b, "green", with(change, "ready_timeout", 0.5), green...)
	return adaptertest.Fixture{
		Adapter: nginx.New(), Scope: scope, Spec: spec(t, b, "green", change, green...),
		Fingerprint: func(t *testing.T) string {
			t.Helper()
			text := b.state(t)
			for _, to := range append(blue, green...) {
				text = strings.ReplaceAll(text, to.addr(), "at-"+to.name)
			}
			got := b.answers(t, 40)
			if want := change["weight"]; want != nil && got["green"] > 0 {
				return text + "both"
			}
			return fmt.Sprint(text, got)
		},
		References: []string{"targets", "colour"},
		Breaks: []adaptertest.Break{{
			Name: "one of the targets is sick", Spec: &short,
			Break: func(*testing.T) { green[1].ill.Store(true) }, Mend: func(*testing.T) { green[1].ill.Store(false) },
		}, {
			Name: "the rest of the configuration is broken",
			Break: func(t *testing.T) {
				t.Helper()
				write(t, b.config(), strings.Replace(b.plainConfig(), "listen", "lisen", 1))
			},
			Mend: func(t *testing.T) { t.Helper(); write(t, b.config(), b.plainConfig()) },
		}},
	}
}

// TestConformance: a full shift.
func TestConformance(t *testing.T) {
	t.Parallel()
	adaptertest.Run(t, adaptertest.Config{New: func(t *testing.T) adaptertest.Fixture {
		t.Helper()
		return fixture(t, nil)
	}})
}

// TestConformanceSplit: a part of the requests.
func TestConformanceSplit(t *testing.T) {
	t.Parallel()
	adaptertest.Run(t, adaptertest.Config{New: func(t *testing.T) adaptertest.Fixture {
		t.Helper()
		return fixture(t, map[string]any{"weight": 50, "cookie": "visitor"})
	}})
}
