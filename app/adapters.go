package app

import (
	"time"

	"github.com/ripcord-dev/ripcord"
	"github.com/ripcord-dev/ripcord/adapter/backup"
	"github.com/ripcord-dev/ripcord/adapter/docker"
	"github.com/ripcord-dev/ripcord/adapter/files"
	"github.com/ripcord-dev/ripcord/adapter/haproxy"
	"github.com/ripcord-dev/ripcord/adapter/httpmetric"
	"github.com/ripcord-dev/ripcord/adapter/kopia"
	"github.com/ripcord-dev/ripcord/adapter/migrate"
	"github.com/ripcord-dev/ripcord/adapter/mysql"
	"github.com/ripcord-dev/ripcord/adapter/nginx"
	"github.com/ripcord-dev/ripcord/adapter/nothing"
	"github.com/ripcord-dev/ripcord/adapter/postgres"
	"github.com/ripcord-dev/ripcord/adapter/probe"
	"github.com/ripcord-dev/ripcord/adapter/process"
	"github.com/ripcord-dev/ripcord/adapter/prometheus"
	"github.com/ripcord-dev/ripcord/adapter/proxy"
	"github.com/ripcord-dev/ripcord/adapter/script"
	"github.com/ripcord-dev/ripcord/adapter/sqlite"
	"github.com/ripcord-dev/ripcord/adapter/systemd"
	"github.com/ripcord-dev/ripcord/adapter/tree"
	"github.com/ripcord-dev/ripcord/adapter/wait"
	"github.com/ripcord-dev/ripcord/adapter/watch"
	"github.com/ripcord-dev/ripcord/analysis/canary"
)

// adapters is the explicit list of what Ripcord can talk to.
func adapters(environ func() []string, now func() time.Time) map[string]ripcord.Adapter {
	analyze, bake := canary.New(proxy.NewSource(), haproxy.NewSource(now), nginx.NewSource(now),
		prometheus.NewSource(now), httpmetric.NewSource(now))
	list := []ripcord.Adapter{
		analyze, bake,
		script.New(environ), files.New(files.Options{}), probe.New(environ), nothing.New(),
		wait.New(), watch.New(environ), process.New(environ), docker.New(environ), systemd.New(), proxy.New(), haproxy.New(), nginx.New(), migrate.New(),
		backup.New(kopia.New(), mysql.New(environ), postgres.New(environ), sqlite.New(), tree.New()),
	}
	byKind := make(map[string]ripcord.Adapter, len(list))
	for _, adapter := range list {
		byKind[adapter.Kind()] = adapter
	}
	return byKind
}
