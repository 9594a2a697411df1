package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/ripcord-dev/ripcord/adapter/proxy"
	"github.com/ripcord-dev/ripcord/adapter/proxy/dataplane"
	"github.com/ripcord-dev/ripcord/bench/front"
	"github.com/ripcord-dev/ripcord/bench/traffic"
)

// playground is where one scenario happens.
type playground struct {
	set           settings
	scenario      scenario
	dir, binary   string
	listen, prom  string
	prometheus    *exec.Cmd
	customersGone chan traffic.Report
}

// run is the whole scenario: the old version, its customers, the canary, its end.
func (p *playground) run(ctx context.Context) (r result, err error) {
	r.scenario = p.scenario
	defer func() { err = errors.Join(err, p.clear()) }()
	if err := p.prepare(ctx); err != nil {
		return r, err
	}
	if out, err := p.ripcord(ctx, "v1", "release", "--version", "v1").CombinedOutput(); err != nil {
		return r, fmt.Errorf("the first release: %w\n%s", err, out)
	}
	customers, gone := context.WithCancel(ctx)
	defer gone()
	if err := p.come(customers); err != nil {
		return r, err
	}
	if p.scenario.measured {
		if out, err := p.ripcord(ctx, "v2", "measure", "--for", p.set.measure.String()).CombinedOutput(); err != nil {
			return r, fmt.Errorf("measuring: %w\n%s", err, out)
		}
	}
	err = p.canary(ctx, &r)
	gone()
	if p.customersGone != nil {
		report := <-p.customersGone
		r.sent, r.failed = report.Sent, report.Failed
	}
	return r, err
}

// prepare builds both versions and starts what they need.
func (p *playground) prepare(ctx context.Context) error {
	p.listen, p.prom = front.FreeAddress(), front.FreeAddress()
	site := filepath.Join(p.dir, "site")
	for _, dir := range []string{"site", "targets", "state"} {
		if err := os.MkdirAll(filepath.Join(p.dir, dir), 0o700); err != nil {
			return err
		}
	}
	for version, fault := range map[string]string{"v1": p.scenario.old, "v2": p.scenario.fresh} {
		folder := filepath.Join(p.dir, version)
		if out, err := exec.CommandContext(ctx, "examples/shop/build.sh", version, fault, folder).CombinedOutput(); err != nil {
			return fmt.Errorf("building the shop: %w\n%s", err, out)
		}
		text := planText(p.scenario, p.listen, p.prom, site, p.set.window)
		if err := os.WriteFile(filepath.Join(folder, "plan.yaml"), []byte(text), 0o600); err != nil {
			return err
		}
	}
	if !p.scenario.prometheus() {
		return nil
	}
	config := "global: {scrape_interval: 1s, scrape_timeout: 1s}\nscrape_configs:\n- job_name: shop\n" +
		"  file_sd_configs: [{files: [" + p.dir + "/targets/*.yml], refresh_interval: 1s}]\n"
	path := filepath.Join(p.dir, "prometheus.yml")
	if err := os.WriteFile(path, []byte(config), 0o600); err != nil {
		return err
	}
	p.prometheus = exec.Command("prometheus", "--config.file="+path, "--storage.tsdb.path="+filepath.Join(p.dir, "data"),
		"--web.listen-address="+p.prom, "--log.level=error")
	return p.prometheus.Start()
}

// ripcord is the real binary in the folder of a version, with a state of its own.
func (p *playground) ripcord(ctx context.Context, version string, args ...string) *exec.Cmd {
	base := []string{"--state-dir", filepath.Join(p.dir, "state"), "--key-file", filepath.Join(p.dir, "key"), "--no-keeper", "-f", "plan.yaml"}
	cmd := exec.CommandContext(ctx, p.binary, append(args[:1:1], append(base, args[1:]...)...)...)
	cmd.Dir = filepath.Join(p.dir, version)
	return cmd
}

// come lets customers come until the context ends.
func (p *playground) come(ctx context.Context) error {
	if p.scenario.idle {
		return nil
	}
	target, err := url.Parse("http://" + p.listen)
	if err != nil {
		return err
	}
	p.customersGone = make(chan traffic.Report, 1)
	go func() {
		p.customersGone <- traffic.Run(ctx, traffic.Settings{
			Target: target, Rate: p.set.rate, Connections: 32, Posts: .02, Timeout: 10 * time.Second,
		})
	}()
	return nil
}

// canary releases the new version and watches until everybody has decided, or the
// time is up. Then it is taken back.
func (p *playground) canary(ctx context.Context, r *result) error {
	s := &stream{client: dataplane.NewClient(proxy.Directory(filepath.Join(p.dir, "state"), "shop", "default", "front"))}
	release := p.ripcord(ctx, "v2", "release", "--version", "v2")
	log, err := os.Create(filepath.Join(p.dir, "release.log"))
	if err != nil {
		return err
	}
	defer func() { _ = log.Close() }()
	release.Stdout, release.Stderr = log, log
	if err := release.Start(); err != nil {
		return err
	}
	ended := make(chan error, 1)
	go func() { ended <- release.Wait() }()
	if err := p.watch(ctx, s, ended); err != nil {
		text, _ := os.ReadFile(log.Name())
		return fmt.Errorf("%w\n%s", err, text)
	}
	if r.ours, err = p.decided(ctx, s); err != nil {
		return err
	}
	if r.theirs, err = s.judge(p.scenario); err != nil {
		return err
	}
	asked := time.Now()
	if out, err := p.ripcord(ctx, "v2", "abort", "--reason", "the measurement is over", "--yes").CombinedOutput(); err != nil {
		return fmt.Errorf("abort: %w\n%s", err, out)
	}
	if aborted := <-ended; aborted == nil {
		return errors.New("the release was aborted, and ended well")
	}
	r.back = time.Since(asked).Seconds()
	return p.keepStream(s)
}

// watch reads the proxy's counters each second while the canary is there.
func (p *playground) watch(ctx context.Context, s *stream, ended <-chan error) error {
	ticks := time.NewTicker(time.Second)
	defer ticks.Stop()
	deadline, down := time.Now().Add(time.Minute), false
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case err := <-ended:
			return fmt.Errorf("the release has ended: %w", err)
		case <-ticks.C:
		}
		if _, err := s.read(ctx); err != nil {
			return err
		}
		if s.began.IsZero() {
			if time.Now().After(deadline) {
				return errors.New("the canary does not begin")
			}
			continue
		}
		if err := p.outage(s, &down); err != nil {
			return err
		}
		// The last seconds are left for what is to be decided in them.
		age := time.Since(s.began)
		if age >= p.set.window-5*time.Second || int(age.Seconds())%30 == 0 && p.allDecided(ctx, s) {
			return nil
		}
	}
}

// outage stops Prometheus when it is time, and marks what happens from then on.
func (p *playground) outage(s *stream, down *bool) error {
	if p.scenario.downAfter == 0 || time.Since(s.began) < p.scenario.downAfter {
		return nil
	}
	if n := len(s.seconds); n > 0 {
		s.seconds[n-1].Down = true
	}
	if *down {
		return nil
	}
	*down = true
	return p.stopPrometheus()
}

// allDecided reports whether nobody has anything left to say.
func (p *playground) allDecided(ctx context.Context, s *stream) bool {
	ours, err := p.decided(ctx, s)
	if err != nil || ours.word != rollsBack {
		return false
	}
	theirs, err := s.judge(p.scenario)
	for _, v := range theirs {
		if v.word == goesOn {
			return false
		}
	}
	return err == nil
}

// decided reads from the journal, through show, what Ripcord has decided, and when.
func (p *playground) decided(ctx context.Context, s *stream) (verdict, error) {
	v := verdict{rule: "Ripcord", word: goesOn}
	out, err := p.ripcord(ctx, "v2", "show", "-o", "json").Output()
	if err != nil {
		return v, fmt.Errorf("show: %w", err)
	}
	var shown struct {
		Canaries []struct {
			Decision *struct{ Reason string }
			History  []struct {
				At      time.Time
				Verdict string
			}
		}
	}
	if err := json.Unmarshal(out, &shown); err != nil {
		return v, err
	}
	if len(shown.Canaries) == 0 || shown.Canaries[0].Decision == nil {
		return v, nil
	}
	v.note = shown.Canaries[0].Decision.Reason
	for _, point := range shown.Canaries[0].History {
		word := map[string]string{"roll-back": rollsBack, "hold": holds}[point.Verdict]
		if word == "" || v.word == rollsBack || v.word == word {
			continue
		}
		v.word, v.seconds, v.harmed = word, point.At.Sub(s.began).Seconds(), s.harmed(p.scenario.harm, point.At)
	}
	if v.word == goesOn {
		v.seconds, v.harmed = s.lasted(), s.harmed(p.scenario.harm, time.Now())
	}
	return v, nil
}

func (p *playground) keepStream(s *stream) (err error) {
	if p.set.keep == "" {
		return nil
	}
	if err := os.MkdirAll(p.set.keep, 0o750); err != nil {
		return err
	}
	file, err := os.Create(filepath.Join(p.set.keep, strings.NewReplacer(" ", "-", "%", "percent", ",", "").Replace(p.scenario.name)+".csv"))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	return s.write(file)
}

func (p *playground) stopPrometheus() error {
	if p.prometheus == nil {
		return nil
	}
	err := p.prometheus.Process.Kill()
	_ = p.prometheus.Wait() // it was killed
	p.prometheus = nil
	return err
}

// clear ends all that this has left running in its folder.
func (p *playground) clear() error {
	err := p.stopPrometheus()
	entries, readErr := os.ReadDir("/proc")
	for _, e := range entries {
		line, _ := os.ReadFile(filepath.Join("/proc", e.Name(), "cmdline")) // it may have ended
		var pid int
		if _, err := fmt.Sscan(e.Name(), &pid); err == nil && strings.Contains(string(line), p.dir+"/") {
			_ = syscall.Kill(pid, syscall.SIGKILL) // it may have ended
		}
	}
	return errors.Join(err, readErr)
}
