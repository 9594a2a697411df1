package planfile

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/ripcord-dev/ripcord"
)

// maxSteps is how many steps a release may have.
const maxSteps = 500

// step is one entry of `release`.
type step struct {
	name    string
	at      position
	kind    string
	adapter string
	// settings are the adapter's; they become JSON.
	settings any
	// body is the value of the step's kind.
	body *node
	// service is the one that a deploy or shift step is about.
	service string
	needs   []reference
	// given says that the file lists the needs, maybe none.
	given bool
	// until are the steps that this one stands beside.
	until []string
	// implied are steps that this one needs although the file does not say so.
	implied []string
	uses    []use
	timeout ripcord.Duration
	// timed says that the file sets the time-out.
	timed bool
	retry ripcord.Retry
	ask   *ripcord.Ask
	skip  string
	// machines are the other machines that the step is carried out on, and
	// parallel on how many of them at once; 0 is as many as the plan allows.
	machines []string
	parallel int
	// replacing puts a deploy step's instances in the places of the old ones; nil
	// starts them beside those.
	replacing *replacing
	// asks are the services that its probes ask.
	asks []string
	// dependsOn are the services and databases that a check names, dependencies
	// all that the step's services need.
	dependsOn    []reference
	dependencies []dependency
}

// kind is how one kind of step is read.
type kind struct {
	adapter string
	timeout ripcord.Duration
	// retries says that another attempt makes sense.
	retries bool
	// asks says that the step asks by itself.
	asks bool
	read func(d *decoder, s *step, n *node)
}

// kinds are the step kinds of this version.
func kinds() map[string]kind {
	const minute = 60
	return map[string]kind{
		"run":     {"script", seconds(10 * minute), true, false, (*decoder).readRun},
		"manual":  {"script", 0, false, true, (*decoder).readManual},
		"files":   {"files", seconds(5 * minute), true, false, (*decoder).readFiles},
		"check":   {"probe", seconds(5 * minute), true, false, (*decoder).readCheck},
		"approve": {"nothing", 0, false, true, (*decoder).readApprove},
		"wait":    {"wait", 0, false, false, (*decoder).readWait},
		"watch":   {"watch", 0, false, false, (*decoder).readWatch},
		"deploy":  {"process", seconds(5 * minute), true, false, (*decoder).readDeploy},
		"shift":   {"proxy", seconds(5 * minute), true, false, (*decoder).readShift},
		"backup":  {"backup", seconds(60 * minute), true, false, (*decoder).readBackup},
		"migrate": {"migrate", seconds(30 * minute), false, false, (*decoder).readMigrate},
	}
}

// kindNames lists the step kinds in the order of the documentation.
func kindNames() []string {
	return []string{"run", "files", "deploy", "shift", "check", "backup", "migrate", "manual", "approve", "wait", "watch"}
}

// laterKinds are known and not available yet.
func laterKinds() []string {
	return []string{
		"restore", "snapshot", "notify", "flag", "drill", "failover", "terraform", "ansible",
		"cloudformation", "git", "image", "dns", "helm",
	}
}

// commonKeys stand beside a step's kind.
func commonKeys() []string { return []string{"name", "needs", "timeout", "retry", "when", "ask"} }

// readSteps reads `release`: names first, so that steps can refer to one another.
func (d *decoder) readSteps(n *node, skipApprovals bool) {
	if n.kind != listNode {
		d.wrong(n, "release", "a list of steps", "`- run: ./release.sh`")
		return
	}
	if len(n.items) == 0 {
		d.add(n.at, 1, "add a step, for example `- run: {command: ./release.sh, undo: ./unrelease.sh}`", "the release has no steps")
	}
	if len(n.items) > maxSteps {
		d.add(n.items[maxSteps].at, 1, "join steps into scripts", "the release has %d steps; at most %d are possible", len(n.items), maxSteps)
		return
	}
	for _, item := range n.items {
		if s := d.openStep(item); s != nil {
			d.steps = append(d.steps, s)
		} else if name := item.field("name"); name != nil {
			d.unread[name.text] = true
		}
	}
	d.nameSteps(n.items)
	items := slices.DeleteFunc(slices.Clone(n.items), func(item *node) bool { return d.kindOf(item, false) == nil })
	d.skipApprovals = skipApprovals
	for i, s := range d.steps {
		d.readCommon(s, items[i])
		if s.kind == "approve" && skipApprovals && s.skip == "" {
			s.skip = skippedApproval
		}
	}
	for _, s := range d.steps {
		d.uses = &s.uses
		if !d.unreadable[s.body] {
			kinds()[s.kind].read(d, s, s.body)
		}
		d.uses = nil
	}
	d.canaries()
	d.replacements()
	d.spread()
	d.link()
}

// kindOf finds the key that is the step's kind.
func (d *decoder) kindOf(n *node, report bool) *field {
	if n.kind != mapNode {
		if report {
			d.wrong(n, "a step", "a map with its kind as the key", "`run: ./release.sh`")
		}
		return nil
	}
	var found *field
	for i := range n.fields {
		f := &n.fields[i]
		if _, ok := kinds()[f.key]; !ok {
			continue
		}
		if found != nil {
			if report {
				d.add(f.at, len(f.key), "start a new step with \"- \" before it", "a step has one kind; this one is %s and %s", found.key, f.key)
			}
			continue
		}
		found = f
	}
	return found
}

// openStep finds a step's kind and reports keys that belong to none.
func (d *decoder) openStep(n *node) *step {
	f := d.kindOf(n, true)
	if n.kind != mapNode {
		return nil
	}
	for i := range n.fields {
		key := &n.fields[i]
		_, isKind := kinds()[key.key]
		if isKind || slices.Contains(commonKeys(), key.key) {
			continue
		}
		d.strayKey(key, f)
		if f == nil {
			return nil
		}
	}
	if f == nil {
		d.add(n.at, 1, "add one of: "+join(kindNames()), "the step has no kind")
		return nil
	}
	return &step{kind: f.key, adapter: kinds()[f.key].adapter, at: n.at, body: f.value, timeout: kinds()[f.key].timeout}
}

// strayKey reports a key of a step that is neither kind nor common key.
func (d *decoder) strayKey(key, kind *field) {
	width := len([]rune(key.key))
	switch {
	case slices.Contains(laterKinds(), key.key):
		d.add(key.at, width, "use a run step with your own command, undo and check", "step kind %s is not available in this version", key.key)
	case kind == nil:
		d.add(key.at, width, d.didYouMean(key.key, kindNames(), "step kinds are:"), "unknown step kind %q", short(key.key))
	case slices.Contains(settingsOf(kind.key), key.key) && (kind.value.kind == mapNode || kind.value.kind == nullNode):
		d.unreadable[kind.value] = true
		d.add(key.at, width, fmt.Sprintf("indent it below %q", kind.key+":"), "%q is a setting of %s and stands beside it", key.key, kind.key)
	case slices.Contains(settingsOf(kind.key), key.key):
		d.add(key.at, width, fmt.Sprintf("write %s: {..., %s: ...}", kind.key, key.key), "%q is a setting of %s and stands beside it", key.key, kind.key)
	default:
		known := append(commonKeys(), kindNames()...)
		fix := ""
		if best := nearest(key.key, known); best != "" {
			fix = "did you mean \"" + best + "\"? "
		}
		d.add(key.at, width, fix+"beside its kind a step takes: "+join(commonKeys()), "unknown key %q in a step", short(key.key))
	}
}

// settingsOf lists the settings of a kind that are often put beside it.
func settingsOf(kind string) []string {
	switch kind {
	case "run":
		return []string{"command", "undo", "check", "idempotent", "changes", "directory", "environment", "user", "sensitive_outputs", "output_limit", "grace", "machine", "machines", "parallel"}
	case "manual":
		return []string{"instructions", "undo", "check", "changes", "directory", "environment"}
	case "files":
		return []string{"source", "destination", "template", "delete", "mode", "directory_mode", "owner", "group", "content", "values"}
	case "check":
		return []string{"http", "tcp", "grpc", "sql", "command", "service", "targets", "path", "status", "contains", "successes", "stable", "flapping", "interval", "attempt_timeout", "directory", "environment", "depends_on"}
	case "wait":
		return []string{"for"}
	case "watch":
		return []string{"for", "interval", "failures", "flapping", "checks", "targets", "path", "max_error_ratio", "min_requests"}
	case "deploy":
		return []string{"service", "strategy", "batch", "max_unavailable", "pause", "drain", "ready_timeout"}
	case "shift":
		return []string{"service", "strategy", "weight", "stages", "for", "analyze", "interval", "drain", "ready_timeout"}
	case "backup":
		return []string{"database", "path", "repository"}
	case "migrate":
		return []string{"database", "directory", "table", "to", "lock_wait", "lock_timeout", "statement_timeout"}
	case "approve":
		return []string{"question"}
	default:
		return nil
	}
}

// nameSteps gives every step a name: the file's, else its kind and subject, with
// a number where that is taken.
func (d *decoder) nameSteps(items []*node) {
	taken := map[string]position{}
	i := 0
	for _, item := range items {
		if d.kindOf(item, false) == nil {
			continue
		}
		s := d.steps[i]
		i++
		n := item.field("name")
		if n == nil {
			continue
		}
		s.name = d.filled(n, "name")
		switch first, twice := taken[s.name]; {
		case s.name == "":
		case !validName(s.name):
			d.add(n.at, firstLine(n), nameRule, "%q cannot be the name of a step", short(s.name))
		case twice:
			d.add(n.at, firstLine(n), fmt.Sprintf("choose another; the first is on line %d", first.line), "two steps are named %q", s.name)
			s.name = ""
		default:
			taken[s.name] = n.at
		}
	}
	d.taken = map[string]bool{}
	defer func() {
		for _, s := range d.steps {
			d.taken[s.name] = true
		}
	}()
	for _, s := range d.steps {
		if s.name != "" {
			continue
		}
		base := s.kind
		if subject := s.subject(); subject != "" {
			base += "-" + subject
		}
		s.name = base
		for number := 2; ; number++ {
			if _, used := taken[s.name]; !used {
				break
			}
			s.name = fmt.Sprintf("%s-%d", base, number)
		}
		taken[s.name] = s.at
	}
}

// subject is the service in a step's settings.
func (s *step) subject() string {
	key := map[string]string{"deploy": "service", "shift": "service", "backup": "database", "migrate": "database"}[s.kind]
	n := s.body
	if key == "" {
		return ""
	}
	if n.kind == mapNode {
		n = n.field(key)
	}
	if n == nil || n.kind != textNode || !validName(n.text) {
		return ""
	}
	return n.text
}

// readCommon reads the keys beside a step's kind.
func (d *decoder) readCommon(s *step, item *node) {
	of := kinds()[s.kind]
	s.retry = ripcord.Retry{Attempts: 1}
	if d.shapes != nil {
		d.shapes["step"] = sorted(append(commonKeys(), kindNames()...))
	}
	for _, f := range item.fields {
		switch f.key {
		case "needs":
			s.given = true
			for _, need := range listOf(f.value) {
				s.needs = append(s.needs, reference{d.filled(need, "needs"), need.at})
			}
		case "timeout":
			s.timed = true
			if f.value.kind == textNode && f.value.text == "none" {
				s.timeout = 0
			} else {
				s.timeout = d.duration(f.value, "timeout")
			}
		case "retry":
			if !of.retries {
				d.add(f.at, len("retry"), "remove it", "a step of kind %s is not retried", s.kind)
				continue
			}
			s.retry = d.readRetry(f.value)
		case "when":
			s.skip = d.when(f.value)
		case "ask":
			if of.asks {
				d.add(f.at, len("ask"), "remove it", "a step of kind %s asks by itself", s.kind)
				continue
			}
			d.uses = &s.uses
			s.ask = d.readAsk(f.value)
			d.uses = nil
		}
	}
}

// readRetry reads `retry: 3` or its long form.
func (d *decoder) readRetry(n *node) ripcord.Retry {
	r := ripcord.Retry{Attempts: 3, Backoff: seconds(1), MaxBackoff: seconds(60)}
	if n.kind != mapNode {
		r.Attempts = d.integer(n, "retry", 1, 100)
	} else {
		d.object(n, "retry", "retry", fields{
			"attempts":    func(n *node) { r.Attempts = d.integer(n, "attempts", 1, 100) },
			"backoff":     func(n *node) { r.Backoff = d.duration(n, "backoff") },
			"max_backoff": func(n *node) { r.MaxBackoff = d.duration(n, "max_backoff") },
		})
		if most := n.field("max_backoff"); most != nil && r.MaxBackoff < r.Backoff {
			d.add(most.at, most.width(), "make it at least as long as backoff", "max_backoff %s is shorter than backoff %s", r.MaxBackoff, r.Backoff)
		}
		r.MaxBackoff = max(r.MaxBackoff, r.Backoff)
	}
	if r.Attempts == 1 {
		return ripcord.Retry{Attempts: 1}
	}
	return r
}

// readAsk reads what a person is asked before a step.
func (d *decoder) readAsk(n *node) *ripcord.Ask {
	if n.kind != mapNode {
		return &ripcord.Ask{Apply: d.question(n, "ask")}
	}
	ask := &ripcord.Ask{}
	d.object(n, "ask", "ask", fields{
		"apply": func(n *node) { ask.Apply = d.question(n, "apply") },
		"undo":  func(n *node) { ask.Undo = d.question(n, "undo") },
	})
	if len(n.fields) == 0 {
		d.add(n.at, 1, "write the question", "ask has no question")
	}
	return ask
}

// question reads a text for people. Nobody replaces references in it at run time.
func (d *decoder) question(n *node, what string) string {
	text := d.filled(n, what)
	for _, prefix := range []string{"${secret:", "${steps."} {
		if strings.Contains(text, prefix) {
			d.reference(n, prefix, "say it in words", "%s cannot show a secret or an output", what)
		}
	}
	return text
}

// spec returns the step as the plan has it.
func (s *step) spec() ripcord.StepSpec {
	settings, err := json.Marshal(s.settings)
	if err != nil {
		settings = nil
	}
	spec := ripcord.StepSpec{
		ID: ripcord.StepID(s.name), Kind: s.kind, Adapter: s.adapter, Timeout: s.timeout, Retry: s.retry,
		Settings: settings, Ask: s.ask, Skip: s.skip, Line: s.at.line,
	}
	for _, need := range s.needs {
		spec.Needs = append(spec.Needs, ripcord.StepID(need.name))
	}
	for _, other := range s.until {
		spec.Until = append(spec.Until, ripcord.StepID(other))
	}
	for _, need := range s.dependencies {
		if dependency, err := need.spec(); err == nil {
			spec.Dependencies = append(spec.Dependencies, dependency)
		}
	}
	return spec
}
