package app

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ripcord-dev/ripcord"
)

func TestSecretsFromTheEnvironment(t *testing.T) {
	t.Parallel()
	plan := &ripcord.Plan{
		Secrets: map[string]ripcord.SecretSource{"FILE": {File: "pw"}, "ENV": {Env: "PW"}, "RUN": {Command: []string{"pass"}}},
		Steps: []ripcord.StepSpec{
			{Settings: []byte(`{"a":"${secret:FILE} ${secret:ENV}","b":["${secret:UNDECLARED}","${secret:RUN}"]}`)},
			{Settings: []byte(`{"a":"${secret:SKIPPED}"}`), Skip: "not here"},
		},
	}
	if diff := cmp.Diff([]string{"ENV", "UNDECLARED"}, fromEnvironment(plan)); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if text := warnOfEnvironment(plan); !strings.Contains(text, "secrets ENV, UNDECLARED come from environment variables") {
		t.Error(text)
	}
	if text := warnOfEnvironment(&ripcord.Plan{}); text != "" {
		t.Error(text)
	}
}
