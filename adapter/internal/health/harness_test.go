package health_test

import (
	"testing"
	"time"

	"github.com/ripcord-dev/ripcord/adapter/adaptertest"
	"github.com/ripcord-dev/ripcord/adapter/internal/health"
)

// ask asks the settings' only question once.
func ask(t *testing.T, s health.Settings, secrets adaptertest.Secrets) error {
	t.Helper()
	scope := adaptertest.NewScope(t)
	scope.Secrets = secrets
	return askIn(t, s, health.Asker{Scope: scope, Step: "ready"})
}

func askIn(t *testing.T, s health.Settings, k health.Asker) error {
	t.Helper()
	if err := s.Complete("check"); err != nil {
		t.Fatal(err)
	}
	questions, err := k.Questions(s)
	if err != nil {
		t.Fatal(err)
	}
	if len(questions) != 1 {
		t.Fatalf("%d questions", len(questions))
	}
	return questions[0].Ask(t.Context())
}

// eventually waits for another process.
func eventually(t *testing.T, what string, is func() error) {
	t.Helper()
	deadline := time.Now().Add(60 * time.Second)
	for {
		err := is()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("in vain: %s: %v", what, err)
		}
		time.Sleep(50 * time.Millisecond)
	}
}
