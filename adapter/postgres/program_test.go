package postgres_test

import (
	"strings"
	"testing"

	"github.com/ripcord-dev/ripcord/adapter/postgres"
)

func TestAnOlderClientIsRefused(t *testing.T) {
	t.Parallel()
	_, err := postgres.Find(t.Context(), "pg_dump", 990001)
	if err == nil || !strings.Contains(err.Error(), "the server is PostgreSQL 99, and the newest pg_dump here is older") {
		t.Errorf("%v", err)
	}
	if _, err := postgres.Find(t.Context(), "pg_nonsense", 150000); err == nil || !strings.Contains(err.Error(), "there is no pg_nonsense") {
		t.Errorf("%v", err)
	}
}
