package sqlite_test

import (
	"testing"
	"time"

	"github.com/ripcord-dev/ripcord"
	"github.com/ripcord-dev/ripcord/store/sqlite"
	"github.com/ripcord-dev/ripcord/store/storetest"
)

func TestContract(t *testing.T) {
	t.Parallel()
	storetest.Run(t, func(t *testing.T) storetest.Home {
		t.Helper()
		dir := t.TempDir() + "/state"
		return func(t *testing.T, now func() time.Time) ripcord.Store {
			t.Helper()
			s, err := sqlite.Open(t.Context(), dir, sqlite.Options{Now: now, Reserve: 1 << 20})
			if err != nil {
				t.Fatal(err)
			}
			return s
		}
	})
}
