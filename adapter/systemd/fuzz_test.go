package systemd

import (
	"testing"

	"github.com/ripcord-dev/ripcord"
)

// FuzzOpen gives settings that nobody wrote on purpose.
func FuzzOpen(f *testing.F) {
	f.Add(`{"service":"web","command":["./web"],"ports":"1-2","user":"a:b","limits":{"memory":"1G"}}`)
	f.Add(`{"service":"${steps.x.outputs.y}","command":[""]}`)
	f.Fuzz(func(t *testing.T, settings string) {
		_, err := New().Open(t.Context(), ripcord.StepSpec{ID: "s", Settings: []byte(settings)}, ripcord.Scope{Application: "a", Environment: "e"})
		if err != nil && ripcord.CodeOf(err) != ripcord.CodePlan {
			t.Errorf("the error is of %s: %v", ripcord.CodeOf(err), err)
		}
	})
}

// FuzzFiles reads unit and environment files that somebody may have edited, and
// finds again what it wrote.
func FuzzFiles(f *testing.F) {
	f.Add("[X-Ripcord]\nLabels={\"run\":\"r\"}\n# secret: \"s\"\n", "v", "s3cret")
	f.Fuzz(func(t *testing.T, text, version, secret string) {
		labelsIn([]byte(text))
		secretsIn([]byte(text))
		d := &definition{labels: labels{Service: "s", Version: version}, secrets: []string{secret}}
		unit, err := d.unitText()
		if err != nil {
			t.Fatal(err)
		}
		if _, ok := labelsIn(unit); !ok {
			t.Errorf("the labels are not found in\n%s", unit)
		}
		environment, err := d.environmentText()
		if err != nil {
			t.Fatal(err)
		}
		if found := secretsIn(environment); secret != "" && len(found) != 1 {
			t.Errorf("the secrets %q are found in\n%s", found, environment)
		}
	})
}
