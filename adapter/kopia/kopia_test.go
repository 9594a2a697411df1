package kopia_test

import (
	"testing"

	"github.com/ripcord-dev/ripcord/adapter/adaptertest"
	"github.com/ripcord-dev/ripcord/adapter/kopia"
)

func TestConformance(t *testing.T) {
	t.Parallel()
	adaptertest.RunRepository(t, adaptertest.RepositoryConfig{New: func(t *testing.T) adaptertest.RepositoryFixture {
		t.Helper()
		scope := adaptertest.NewScope(t)
		scope.Secrets = adaptertest.Secrets{"PASSWORD": "s3cret"}
		return adaptertest.RepositoryFixture{
			Repositories: kopia.New(), Scope: scope,
			Settings: map[string]any{"directory": t.TempDir() + "/repository", "password": "${secret:PASSWORD}"},
		}
	}})
}
