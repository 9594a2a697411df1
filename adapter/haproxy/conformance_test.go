package haproxy_test

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/ripcord-dev/ripcord/adapter/adaptertest"
	"github.com/ripcord-dev/ripcord/adapter/haproxy"
)

func sorted(text string) string {
	all := strings.Split(strings.TrimSpace(text), "\n")
	slices.Sort(all)
	return strings.Join(all, "\n")
}

// TestConformanceDynamic: no configuration is kept; the servers are made.
func TestConformanceDynamic(t *testing.T) {
	t.Parallel()
	adaptertest.Run(t, adaptertest.Config{New: func(t *testing.T) adaptertest.Fixture {
		t.Helper()
		scope := adaptertest.NewScope(t)
		blue := []*target{startTarget(t, "blue"), startTarget(t, "blue")}
		green := []*target{startTarget(t, "green"), startTarget(t, "green")}
		b := startBalancer(t, lines("app", blue...))
		short := spec(t, b, "green", map[string]any{"ready_timeout": 1}, green...)
		return adaptertest.Fixture{
			Adapter: haproxy.New(), Scope: scope, Spec: spec(t, b, "green", nil, green...),
			Fingerprint: func(t *testing.T) string { t.Helper(); return b.servers(t, append(blue, green...)...) },
			References:  []string{"targets", "colour"},
			Breaks: []adaptertest.Break{{
				Name: "one of the targets is sick", Spec: &short,
				Break: func(*testing.T) { green[1].ill.Store(true) }, Mend: func(*testing.T) { green[1].ill.Store(false) },
			}},
		}
	}})
}

// TestConformanceSlots: servers of the new colour are declared, and the
// configuration is kept.
func TestConformanceSlots(t *testing.T) {
	t.Parallel()
	adaptertest.Run(t, adaptertest.Config{New: func(t *testing.T) adaptertest.Fixture {
		t.Helper()
		scope := adaptertest.NewScope(t)
		blue, green := startTarget(t, "blue"), []*target{startTarget(t, "green"), startTarget(t, "green")}
		b := startBalancer(t, marked(lines("blue", blue)+"  server green1 127.0.0.1:1 check inter 20ms fall 50 disabled\n"))
		change := map[string]any{"config": b.config, "weight": 20, "validate": []string{haproxyPath(), "-c", "-f", "%s"}}
		brief := maps.Clone(change)
		brief["ready_timeout"] = 1
		shortly := spec(t, b, "green", brief, green...)
		return adaptertest.Fixture{
			Adapter: haproxy.New(), Scope: scope, Spec: spec(t, b, "green", change, green...),
			Fingerprint: func(t *testing.T) string {
				t.Helper()
				return b.servers(t, append(green, blue)...) + "\n" + named(b.read(t), append(green, blue)...)
			},
			References: []string{"targets", "colour"},
			Breaks: []adaptertest.Break{{
				Name: "the new side is sick", Spec: &shortly,
				Break: func(*testing.T) { green[0].ill.Store(true) }, Mend: func(*testing.T) { green[0].ill.Store(false) },
			}},
		}
	}})
}
