package canary_test

import (
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ripcord-dev/ripcord"
)

func (b *bench) explain() string {
	b.t.Helper()
	e, ok := b.open().(ripcord.Explainer)
	if !ok {
		b.t.Fatal("it explains nothing")
	}
	text, err := e.Explain(b.t.Context())
	if err != nil {
		b.t.Fatal(err)
	}
	return text
}

func TestExplainForecasts(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		b.world.change(func(w *world) { w.new, w.old = load{}, load{200, .001} })
		time.Sleep(time.Hour)
		rows := strings.Split(b.explain(), "\n")
		want := []string{
			"errors: compares failed requests of both versions, from world every 2s; rolls back when the new one is proved to be worse",
			"  now there are about 200 requests a second, and 0.1 % of them fail:",
		}
		if diff := cmp.Diff(want, rows[:2]); diff != "" {
			t.Error(diff)
		}
		for i, part := range []string{"  at 5 %: an error rate 5 times as high is rolled back after about ", "  at 25 %: an error rate 5 times"} {
			if !strings.HasPrefix(rows[i+2], part) || !strings.Contains(rows[i+2], "; 20 times as high is rolled back after about ") {
				t.Errorf("it says %q", rows[i+2])
			}
		}
		if len(rows) != 5 || !strings.HasPrefix(rows[4], "  it may be sooner where failures are known to be independent: `ripcord measure`") {
			t.Errorf("it says %q", rows)
		}
	})
}

// TestExplainAssumesAFailure: where nothing has failed, nobody knows the rate.
func TestExplainAssumesAFailure(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		b.world.change(func(w *world) { w.old.failing = 0 })
		time.Sleep(30 * time.Second)
		if text := b.explain(); !strings.Contains(text, "\n  now there are about 180 requests a second, and none of 5600 has failed; for the forecast, one has:\n") {
			t.Errorf("it says %q", text)
		}
	})
}

func TestExplainIsSilentAboutWhatItCannotKnow(t *testing.T) {
	t.Parallel()
	worlds := map[string]func(b *bench){
		"nobody answers":  func(b *bench) { b.world.down = errors.New("connection refused") },
		"nobody comes":    func(b *bench) { b.world.old = load{} },
		"all at once":     func(b *bench) { b.settings = strings.Replace(b.settings, "[5,25,100]", "[100]", 1) },
		"only to be told": func(b *bench) { b.settings = strings.Replace(b.settings, `"source"`, `"action":"warn","source"`, 1) },
		"it only says max": func(b *bench) {
			b.settings = strings.Replace(b.settings, `"kind":"errors"`, `"kind":"threshold","rules":[{"max":3}]`, 1)
		},
	}
	for name, change := range worlds {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				b := newBench(t)
				change(b)
				if text := b.explain(); strings.Contains(text, "\n") || !strings.HasPrefix(text, "errors: ") {
					t.Errorf("it says %q", text)
				}
			})
		})
	}
}

func TestExplainSaysWhatEachMetricDoes(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		b.world.down = errors.New("connection refused")
		b.settings = `{"new":{"colour":"green"},"old":{"colour":"blue"},"interval":5,"shift":"all","metrics":[
			{"name":"latency","kind":"latency","action":"warn","source":"world"},
			{"name":"memory","kind":"gauge","source":"world"},
			{"name":"queue","kind":"threshold","rules":[{"max":100,"breaches":2,"of":3},{"min":1,"against":"ratio","action":"warn"}],"source":"world"}]}`
		want := `latency: compares slow requests of both versions, from world every 5s; warns when the new one is proved to be worse
  memory: compares the value of both versions, from world every 5s; rolls back when the new one is proved to be worse
  queue: rolls back when above 100 in 2 of 3 readings, warns when the ratio to the old version is below 1, from world every 5s`
		if diff := cmp.Diff(want, b.explain()); diff != "" {
			t.Error(diff)
		}
	})
}

func TestExplainOfAFirstVersion(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		b.settings = strings.Replace(b.settings, `"old":{"colour":"blue"}`, `"old":{}`, 1)
		if text := b.explain(); text != "judges nothing: there is no older version to compare with" {
			t.Errorf("it says %q", text)
		}
	})
}
