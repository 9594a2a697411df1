package kopia_test

import (
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"

	"github.com/johannesboyne/gofakes3"
	"github.com/johannesboyne/gofakes3/backend/s3mem"

	"github.com/ripcord-dev/ripcord"
	"github.com/ripcord-dev/ripcord/adapter/adaptertest"
	"github.com/ripcord-dev/ripcord/adapter/adaptertest/sshd"
	"github.com/ripcord-dev/ripcord/adapter/kopia"
)

func TestConformanceS3(t *testing.T) {
	t.Parallel()
	adaptertest.RunRepository(t, adaptertest.RepositoryConfig{Brief: true, New: func(t *testing.T) adaptertest.RepositoryFixture {
		t.Helper()
		return onS3(t)
	}})
}

func onS3(t *testing.T) adaptertest.RepositoryFixture {
	t.Helper()
	backend := s3mem.New()
	if err := backend.CreateBucket("backups"); err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(gofakes3.New(backend).Server())
	t.Cleanup(server.Close)
	scope := adaptertest.NewScope(t)
	scope.Secrets = adaptertest.Secrets{"PASSWORD": "s3cret", "KEY": "the-secret-key"}
	return adaptertest.RepositoryFixture{
		Repositories: kopia.New(), Scope: scope,
		Settings: map[string]any{"password": "${secret:PASSWORD}", "s3": map[string]any{
			"bucket": "backups", "prefix": "shop/", "endpoint": strings.TrimPrefix(server.URL, "http://"), "region": "eu-north-1",
			"access_key": "us", "secret_key": "${secret:KEY}", "insecure": true,
		}},
	}
}

func TestConformanceSFTP(t *testing.T) {
	t.Parallel()
	server := sshd.Start(t, sshd.Options{Config: "Subsystem sftp internal-sftp\nMaxStartups 100"})
	adaptertest.RunRepository(t, adaptertest.RepositoryConfig{Brief: true, New: func(t *testing.T) adaptertest.RepositoryFixture {
		t.Helper()
		scope := adaptertest.NewScope(t)
		scope.Secrets = adaptertest.Secrets{"PASSWORD": "s3cret"}
		return adaptertest.RepositoryFixture{
			Repositories: kopia.New(), Scope: scope,
			Settings: map[string]any{"password": "${secret:PASSWORD}", "sftp": map[string]any{
				"host": "root@" + server.Address, "directory": filepath.Join(t.TempDir(), "repository"),
				"identity": server.Key, "known_hosts": server.KnownHosts,
			}},
		}
	}})
}

func TestNoSecretOfAStoreIsLeftOnDisk(t *testing.T) {
	t.Parallel()
	f := onS3(t)
	r, err := f.Repositories.Open(t.Context(), []byte(`{"password":"x","s3":{"bucket":"gone","endpoint":"127.0.0.1:1","access_key":"us","secret_key":"${secret:KEY}","insecure":true}}`), f.Scope, true)
	if err == nil {
		_ = r.Close()
		t.Error("nobody listens, and it can be opened")
	} else if strings.Contains(err.Error(), "the-secret-key") || ripcord.CodeOf(err) != ripcord.CodePlan {
		t.Errorf("%v", err)
	}
	if left, err := filepath.Glob(filepath.Join(f.Scope.StateDir, "repositories", "*", "config-*")); err != nil || len(left) > 0 {
		t.Errorf("%v %v", left, err)
	}
}
