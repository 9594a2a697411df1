package planfile

import (
	"os"
	"regexp"
	"strings"
	"testing"
)

// documentation is the documentation of the plan file.
func documentation(t *testing.T) string {
	t.Helper()
	doc, err := os.ReadFile("../docs/plan-file.md")
	if err != nil {
		t.Fatal(err)
	}
	return string(doc)
}

func TestEverySchemaKeyIsDocumented(t *testing.T) {
	t.Parallel()
	doc := documentation(t)
	for object, keys := range schemaKeys(t) {
		_, section, found := strings.Cut(doc, "<!-- keys: "+object+" -->")
		if !found {
			t.Errorf("docs/plan-file.md has no table for %s", object)
			continue
		}
		section, _, _ = strings.Cut(section, "\n\n")
		for _, key := range keys {
			if !strings.Contains(section, "\n| `"+key+"` | ") {
				t.Errorf("docs/plan-file.md does not document %s.%s", object, key)
			}
			if !regexp.MustCompile(`\b` + key + `:`).MatchString(strings.Join(snippets(doc), "\n")) {
				t.Errorf("docs/plan-file.md has no example with %s.%s", object, key)
			}
		}
	}
}

// snippets returns the YAML in a document.
func snippets(doc string) []string {
	var all []string
	for _, m := range regexp.MustCompile("(?s)```yaml\n(.*?)```").FindAllStringSubmatch(doc, -1) {
		all = append(all, m[1])
	}
	return all
}

func TestDocumentedExamplesAreRight(t *testing.T) {
	t.Parallel()
	// What the examples take for granted, where they do not say it themselves.
	parts := []struct{ key, text string }{
		{"application", "application: shop\n"},
		{"variables", "variables: {port: 8080}\n"},
		{"balancers", "balancers: {front: {proxy: {listen: \"127.0.0.1:8080\"}}}\n"},
		{"databases", "databases: {orders: {postgres: x}}\n"},
		{"repositories", "repositories: {main: {directory: /var/backups/shop, password: \"${secret:BACKUP_PASSWORD}\"}}\n"},
		{"metrics", "metrics: {prom: {prometheus: \"http://127.0.0.1:9090\"}}\n"},
		{"services", "services: {web: {command: ./web, balancer: front}}\n"},
		{"release", "release: [{run: ./x.sh}]\n"},
	}
	metrics, err := os.ReadFile("../docs/metrics.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, snippet := range snippets(documentation(t) + string(metrics)) {
		var text strings.Builder
		text.WriteString(snippet)
		for _, part := range parts {
			if !regexp.MustCompile(`(?m)^` + part.key + `:`).MatchString(snippet) {
				text.WriteString(part.text)
			}
		}
		o := Options{Version: "v1"}
		if strings.Contains(snippet, "production:") {
			o.Environment = "production"
		}
		if _, err := Parse("plan-file.md", []byte(text.String()), o); err != nil {
			t.Errorf("%v\n%s", err, text.String())
		}
	}
}
