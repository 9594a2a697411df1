package proxy_test

import (
	"strings"
	"testing"

	"github.com/ripcord-dev/ripcord/adapter/adaptertest/port"
)

// TestEvidenceOutlivesTheSide: what the failed side counted is evidence, although
// traffic goes back, and the side goes, before evidence is frozen.
func TestEvidenceOutlivesTheSide(t *testing.T) {
	t.Parallel()
	for _, first := range []bool{true, false} {
		t.Run(map[bool]string{true: "first release", false: "next release"}[first], func(t *testing.T) {
			t.Parallel()
			scope, listen := newScope(t), port.Address(t)
			if !first {
				apply(t, open(t, scope, spec(t, listen, "blue", nil, startTarget(t, "blue"))))
			}
			green := spec(t, listen, "green", nil, startTarget(t, "green"))
			step := open(t, scope, green)
			a := apply(t, step)
			if got := answer(listen); got != "green" {
				t.Fatalf("the traffic goes to %s", got)
			}
			if err := step.Undo(t.Context(), a); err != nil {
				t.Fatal(err)
			}
			pieces, err := open(t, scope, green).Evidence(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			text := ""
			for _, piece := range pieces {
				if piece.Name == "proxy-front-before-undo-stats.json" {
					text = string(piece.Data)
				}
			}
			if !strings.Contains(text, `"green"`) {
				t.Errorf("what green counted is lost: %d pieces, %s", len(pieces), text)
			}
		})
	}
}
