package local_test

import (
	"context"
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ripcord-dev/ripcord"
	"github.com/ripcord-dev/ripcord/engine"
	"github.com/ripcord-dev/ripcord/engine/local"
)

// peek is an adapter that keeps what it is opened with.
type peek struct {
	spec  ripcord.StepSpec
	scope ripcord.Scope
}

func (p *peek) Kind() string { return "peek" }

func (p *peek) Open(_ context.Context, spec ripcord.StepSpec, scope ripcord.Scope) (ripcord.Step, error) {
	p.spec, p.scope = spec, scope
	return nil, nil //nolint:nilnil // nobody uses it
}

// vault knows one secret.
type vault struct{}

func (vault) Expand(_ context.Context, text string) (string, []string, error) {
	if !strings.Contains(text, "${secret:PIN}") {
		return text, nil, nil
	}
	return strings.ReplaceAll(text, "${secret:PIN}", "1234"), []string{"1234"}, nil
}

// TestSensitiveOutputIsASecret: an adapter gets a reference, so that the value
// stands in no log, message or process list; and an output is never expanded.
func TestSensitiveOutputIsASecret(t *testing.T) {
	t.Parallel()
	kept := &blobs{data: map[string][]byte{}}
	ref, err := kept.Put(t.Context(), "r1", "key", strings.NewReader("s3cr3t ${secret:PIN}"))
	if err != nil {
		t.Fatal(err)
	}
	raw, err := json.Marshal(ref)
	if err != nil {
		t.Fatal(err)
	}
	spec := ripcord.StepSpec{ID: "uses", Adapter: "peek", Settings: []byte(`{"text":"${secret:PIN} ${steps.a.outputs.key} ${steps.a.outputs.odd} ${steps.a.outputs.plain}"}`)}
	state := &engine.State{Plan: &ripcord.Plan{}, Steps: map[ripcord.StepID]*engine.Step{
		"a": {Outputs: map[string]ripcord.Output{
			"key": {Sensitive: true, Value: string(raw)}, "odd": {Value: "${secret:PIN}"}, "plain": {Value: "shop"},
		}},
	}}
	p := &peek{}
	if _, err := local.Open(t.Context(), map[string]ripcord.Adapter{"peek": p}, ripcord.Scope{Blobs: kept, Secrets: vault{}}, state, &spec, ""); err != nil {
		t.Fatal(err)
	}
	var got struct {
		Text string `json:"text"`
	}
	if err := json.Unmarshal(p.spec.Settings, &got); err != nil {
		t.Fatal(err)
	}
	if want := "${secret:PIN} ${secret:steps.a.outputs.key} ${secret:steps.a.outputs.odd} shop"; got.Text != want {
		t.Errorf("settings hold %q, want %q", got.Text, want)
	}
	text, values, err := p.scope.Secrets.Expand(t.Context(), got.Text)
	if want := "1234 s3cr3t ${secret:PIN} ${secret:PIN} shop"; err != nil || text != want {
		t.Errorf("expanded to %q, %v; want %q", text, err, want)
	}
	if diff := cmp.Diff([]string{"1234", "s3cr3t ${secret:PIN}"}, values); diff != "" {
		t.Errorf("values (-want +got):\n%s", diff)
	}
}
