package planfile

import (
	"bytes"
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/goccy/go-yaml"
	"github.com/google/go-cmp/cmp"
	"github.com/santhosh-tekuri/jsonschema/v6"
)

func compiled(t *testing.T) *jsonschema.Schema {
	t.Helper()
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(Schema()))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	c.DefaultDraft(jsonschema.Draft2020)
	if err := c.AddResource("plan-file.json", doc); err != nil {
		t.Fatal(err)
	}
	s, err := c.Compile("plan-file.json")
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// instance reads YAML as the validator wants it.
func instance(t *testing.T, data []byte) any {
	t.Helper()
	asJSON, err := yaml.YAMLToJSON(data)
	if err != nil {
		t.Fatal(err)
	}
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(asJSON))
	if err != nil {
		t.Fatal(err)
	}
	return doc
}

// examples are plan files that must be right: the good ones of this package and
// those of the examples.
func examples(t *testing.T) []string {
	t.Helper()
	names := files(t, "testdata/good/*.yaml")
	for _, pattern := range []string{"../examples/*/ripcord.yaml", "../examples/*.yaml"} {
		more, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		names = append(names, more...)
	}
	return names
}

func TestSchemaTakesWhatTheParserTakes(t *testing.T) {
	t.Parallel()
	s := compiled(t)
	for _, name := range examples(t) {
		if err := s.Validate(instance(t, read(t, name))); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestExamplesAreRight(t *testing.T) {
	t.Parallel()
	for _, name := range examples(t) {
		o := optionsOf(read(t, name))
		if o.Version == "" {
			o.Version = "v1"
		}
		if _, err := Load(name, o); err != nil {
			t.Errorf("%v", err)
		}
	}
}

func BenchmarkParse(b *testing.B) {
	data, err := os.ReadFile("testdata/good/shop.yaml")
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if _, err := Parse("shop.yaml", data, optionsOf(data)); err != nil {
			b.Fatal(err)
		}
	}
}

func TestSchemaRefusesWhatIsWrongInShape(t *testing.T) {
	t.Parallel()
	s := compiled(t)
	for _, name := range []string{
		"no-application", "no-release", "no-steps", "unknown-key", "misspelt-release", "step-two-kinds", "step-is-text",
		"step-later-kind", "timeout-without-unit", "run-types", "on-failure-wrong", "balancer-wrong", "files-wrong", "secret-wrong",
	} {
		if err := s.Validate(instance(t, read(t, "testdata/bad/"+name+".yaml"))); err == nil {
			t.Errorf("the schema takes %s.yaml", name)
		}
	}
}

// schemaKeys returns the properties of each object in the schema.
func schemaKeys(t *testing.T) map[string][]string {
	t.Helper()
	type object struct {
		Type       any                        `json:"type"`
		Properties map[string]json.RawMessage `json:"properties"`
		Defs       map[string]json.RawMessage `json:"$defs"`
	}
	var top object
	if err := json.Unmarshal(Schema(), &top); err != nil {
		t.Fatal(err)
	}
	keys := map[string][]string{"file": sorted(slices.Collect(maps.Keys(top.Properties)))}
	for name, raw := range top.Defs {
		var o object
		if err := json.Unmarshal(raw, &o); err != nil {
			t.Fatal(err)
		}
		if o.Properties != nil {
			keys[name] = sorted(slices.Collect(maps.Keys(o.Properties)))
		}
	}
	return keys
}

func TestSchemaAndParserKnowTheSameKeys(t *testing.T) {
	t.Parallel()
	shapes := map[string][]string{}
	for _, name := range []string{"good/shop.yaml", "good/forms.yaml", "good/stages.yaml", "good/canary.yaml", "good/machines.yaml", "good/health.yaml", "good/docker.yaml", "good/backup.yaml", "good/migrate.yaml"} {
		data := read(t, "testdata/"+name)
		p := &problems{source: newSource(name, data)}
		readFile(p, readYAML(p, data), optionsOf(data), shapes)
		if err := p.errors(); err != nil {
			t.Fatal(err)
		}
	}
	if diff := cmp.Diff(schemaKeys(t), shapes); diff != "" {
		t.Errorf("schema and parser differ (-schema +parser):\n%s", diff)
	}
}

func TestStrayKeysKnowAllSettings(t *testing.T) {
	t.Parallel()
	keys := schemaKeys(t)
	for _, kind := range kindNames() {
		if diff := cmp.Diff(keys[kind], sorted(settingsOf(kind))); diff != "" {
			t.Errorf("settings of %s differ (-schema +parser):\n%s", kind, diff)
		}
	}
}

func TestEverySchemaObjectHasADescription(t *testing.T) {
	t.Parallel()
	var visit func(path string, v any)
	visit = func(path string, v any) {
		m, ok := v.(map[string]any)
		if !ok {
			return
		}
		for _, group := range []string{"properties", "$defs"} {
			members, ok := m[group].(map[string]any)
			if !ok {
				continue
			}
			for name, member := range members {
				o, ok := member.(map[string]any)
				if !ok || o["description"] == nil {
					t.Errorf("%s/%s has no description", path, name)
				}
				visit(path+"/"+name, member)
			}
		}
	}
	var top any
	if err := json.Unmarshal(Schema(), &top); err != nil {
		t.Fatal(err)
	}
	visit("", top)
}
