// Package proxy shifts traffic with the built-in proxy: nothing shifts until
// the new side is ready by the proxy's own probe, then all new requests go there
// at once, or the part of them that weight says, and the old side stays until the
// release is committed, so that going back is a switch.
//
// The proxy itself lives in package dataplane. Its folder is Directory's, and
// control.addr in it holds the path of the control socket, which speaks HTTP:
// GET /stats for the counters (JSON), GET /metrics for the same as Prometheus
// text, GET /state for route, sides and probes.
//
// A source of metrics reads sides.NAME of /stats, whose targets are the version's
// addresses: requests without errors.own, failed and left (both are failures),
// latency.buckets (cumulative below le seconds, 0 is without bound), in_flight,
// share (percent), and since, which changes when the counters begin anew. They
// grow over all stages and through a hand-over to another process.
package proxy

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/ripcord-dev/ripcord"
	"github.com/ripcord-dev/ripcord/adapter/proxy/dataplane"
)

// Kind is what StepSpec.Adapter says for steps of this package.
const Kind = "proxy"

// Adapter opens steps that shift traffic.
type Adapter struct{}

// New returns the adapter.
func New() *Adapter { return &Adapter{} }

// Kind returns the package's Kind.
func (a *Adapter) Kind() string { return Kind }

// Open reads the spec's Settings; its error is of CodePlan.
func (a *Adapter) Open(_ context.Context, spec ripcord.StepSpec, scope ripcord.Scope) (ripcord.Step, error) {
	settings, err := decode(spec)
	if err != nil {
		return nil, err
	}
	settings.resolve(scope.Directory)
	dir := Directory(scope.StateDir, scope.Application, scope.Environment, settings.Balancer)
	step := &Step{settings: settings, scope: scope, dir: dir, client: dataplane.NewClient(dir)}
	if settings.State != "" {
		return &Member{of: step}, nil
	}
	return step, nil
}

// Directory returns the folder of a balancer's proxy in a state directory.
func Directory(stateDir, application, environment, balancer string) string {
	sum := sha256.Sum256([]byte(InstanceID(application, environment, balancer)))
	return filepath.Join(stateDir, "proxy", hex.EncodeToString(sum[:6]))
}

// Tidy removes what the dead proxies of a state directory left elsewhere.
func Tidy(stateDir string) error {
	folders, err := os.ReadDir(filepath.Join(stateDir, "proxy"))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	for _, folder := range folders {
		err = errors.Join(err, dataplane.Tidy(filepath.Join(stateDir, "proxy", folder.Name())))
	}
	return err
}

// InstanceID is the name under which a balancer's proxy is supervised.
func InstanceID(application, environment, balancer string) string {
	return "proxy/" + application + "/" + environment + "/" + balancer
}

// Step shifts the traffic of one balancer to one set of targets.
type Step struct {
	settings Settings
	scope    ripcord.Scope
	dir      string
	client   *dataplane.Client
	// pending is the stamp for a proxy that does not run yet.
	pending *ripcord.Stamp
}

func (s *Step) instanceID() string {
	return InstanceID(s.scope.Application, s.scope.Environment, s.settings.Balancer)
}

// Traits implements ripcord.Describer.
func (s *Step) Traits() ripcord.Traits {
	traits := ripcord.DefaultTraits()
	traits.Traffic, traits.Finishes = true, true
	traits.Reversal.How = "see route and sides:  curl --unix-socket \"$(cat " + filepath.Join(s.dir, "control.addr") +
		")\" http://proxy/state   then send traffic back:  curl --unix-socket \"$(cat " + filepath.Join(s.dir, "control.addr") +
		")\" -X PUT -d '{\"side\":\"OLD SIDE\"}' http://proxy/route"
	return traits
}
