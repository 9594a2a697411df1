package planfile

import (
	"regexp"
	"slices"

	"github.com/ripcord-dev/ripcord"
)

// document is the file's top level.
type document struct {
	d *decoder
	// root is the tree with the environment's overlay.
	root      *node
	onFailure ripcord.FailurePolicy
	onCancel  ripcord.CancelPolicy
	parallel  int
	retention int
	bundle    []string
	// skipApprovals says that approve steps are left out.
	skipApprovals bool
}

// maxEnvironments is how many environments a file may declare.
const maxEnvironments = 50

// defaultParallel is how many steps may run at once.
const defaultParallel = 4

// readFile reads the tree for the chosen environment, and for all others to find
// their problems as well.
func readFile(p *problems, root *node, o Options, shapes map[string][]string) *File {
	if root.kind != mapNode {
		d := &decoder{problems: p}
		d.wrong(root, "a plan file", "a map of settings", "`application: shop`")
		return nil
	}
	environments := declared(root)
	chosen, ok := choose(p, root, environments, o.Environment)
	first := readDocument(p, root, chosen, o, shapes)
	if len(environments) > maxEnvironments {
		p.add(root.field("environments").at, 1, "split the file", "the file declares %d environments; at most %d are possible", len(environments), maxEnvironments)
		return nil
	}
	for _, name := range environments {
		if name != chosen {
			p.also(root, name, o)
		}
	}
	if !ok {
		return nil
	}
	return first.file(environments)
}

// also adds the problems that only another environment has.
func (p *problems) also(root *node, environment string, o Options) {
	other := &problems{source: p.source}
	o.Set = nil
	readDocument(other, root, environment, o, nil)
	said := make(map[position]bool, len(p.list))
	for _, e := range p.list {
		said[position{e.Line, e.Column}] = true
	}
	for _, e := range other.list {
		if !said[position{e.Line, e.Column}] && e.Line > 0 {
			e.What += " (in environment " + environment + ")"
			p.list = append(p.list, e)
		}
	}
}

// declared returns the names of the environments, in order.
func declared(root *node) []string {
	n := root.field("environments")
	if n == nil || n.kind != mapNode {
		return nil
	}
	var names []string
	for _, f := range n.fields {
		if validName(f.key) {
			names = append(names, f.key)
		}
	}
	return sorted(names)
}

// choose finds the environment to read.
func choose(p *problems, root *node, names []string, wanted string) (name string, ok bool) {
	at := position{1, 1}
	for _, f := range root.fields {
		if f.key == "environments" {
			at = f.at
		}
	}
	switch {
	case wanted != "" && !validName(wanted):
		p.flag("--environment "+wanted, nameRule, "%q cannot be the name of an environment", wanted)
	case len(names) == 0 && wanted == "":
		return DefaultEnvironment, true
	case len(names) == 0, slices.Contains(names, wanted):
		return wanted, true
	case wanted != "":
		p.flag("--environment "+wanted, p.didYouMean(wanted, names, "the file declares:"), "the file declares no environment %q", wanted)
	case len(names) == 1:
		return names[0], true
	default:
		p.add(at, len("environments"), "choose one with --environment: "+join(names), "the file declares %d environments, and none is chosen", len(names))
	}
	if len(names) > 0 {
		return names[0], false
	}
	return DefaultEnvironment, false
}

// overlayKeys are what an environment may override.
func overlayKeys() []string {
	return []string{
		"variables", "machines", "services", "balancers", "databases", "repositories", "metrics", "secrets",
		"on_failure", "on_cancel", "approvals", "max_data_loss", "parallel", "retention",
	}
}

// readDocument reads the file as one environment sees it.
func readDocument(p *problems, root *node, environment string, o Options, shapes map[string][]string) *document {
	d := &decoder{
		problems: p, options: o, environment: environment, left: maxExpanded, shapes: shapes,
		secrets: map[string]ripcord.SecretSource{}, wanted: map[string]bool{},
		variables: map[string]*variable{}, misspelt: map[*node][]string{}, unread: map[string]bool{}, unreadable: map[*node]bool{}, services: map[string]*service{},
		balancers: map[string]*balancer{}, parts: map[string][]string{}, ends: map[string][]string{}, databases: map[string]*database{}, repositories: map[string]*repository{}, machines: map[string]*machine{}, sources: map[string]*metricSystem{}, sourceless: map[string]bool{},
	}
	doc := &document{
		d: d, root: root, parallel: defaultParallel,
		onFailure: ripcord.FailurePolicy{Action: ripcord.FailRollback}, onCancel: ripcord.CancelRollback,
	}
	if environments := root.field("environments"); environments != nil {
		doc.checkOverlays(environments)
		if over := environments.field(environment); over != nil && over.kind == mapNode {
			doc.root = overlay(root, restrict(over))
		}
	}
	doc.read()
	return doc
}

// restrict keeps the keys of an overlay that may override.
func restrict(over *node) *node {
	kept := *over
	kept.fields = slices.DeleteFunc(slices.Clone(over.fields), func(f field) bool {
		return !slices.Contains(overlayKeys(), f.key)
	})
	return &kept
}

// checkOverlays reports keys that an environment cannot override.
func (doc *document) checkOverlays(n *node) {
	doc.d.names(n, "environments", func(name string, over *node) {
		if over.kind == nullNode {
			return
		}
		known := fields{}
		for _, key := range overlayKeys() {
			known[key] = func(*node) {}
		}
		if step := over.field("release"); step != nil {
			doc.d.add(step.at, 1, "keep one release; give steps `when: ${environment} == "+name+"`", "an environment cannot have steps of its own")
			known["release"] = func(*node) {}
		}
		doc.d.object(over, "overlay", "an environment", known)
		if doc.d.shapes != nil {
			doc.d.shapes["overlay"] = sorted(overlayKeys())
		}
	})
}

// read reads everything. Names first, then what refers to them.
func (doc *document) read() {
	d := doc.d
	var machines, services, balancers, repositories, release *node
	doc.identity()
	known := fields{
		"application":  func(*node) {},
		"version":      func(*node) {},
		"environments": func(*node) {},
		"secrets":      d.readSecrets,
		"variables":    func(*node) {},
		"databases":    d.readDatabases,
		"repositories": func(n *node) { repositories = n },
		"metrics":      d.readSources,
		"machines":     func(n *node) { machines = n },
		"services":     func(n *node) { services = n },
		"balancers":    func(n *node) { balancers = n },
		"release":      func(n *node) { release = n },
		"on_failure":   func(n *node) { doc.onFailure = d.failurePolicy(n) },
		"on_cancel": func(n *node) {
			doc.onCancel = ripcord.CancelPolicy(d.word(n, "on_cancel", "rollback", "hold", "continue"))
		},
		"approvals":     func(n *node) { doc.skipApprovals = d.word(n, "approvals", "required", "skip") == "skip" },
		"max_data_loss": d.readMaxLoss,
		"parallel":      func(n *node) { doc.parallel = d.integer(n, "parallel", 1, 100) },
		"retention":     func(n *node) { doc.retention = d.integer(n, "retention", 1, 100_000) },
		"bundle":        func(n *node) { doc.readBundle(n) },
	}
	d.object(doc.root, "file", "a plan file", known)
	if repositories != nil {
		d.readRepositories(repositories)
	}
	if machines != nil {
		d.readMachines(machines)
	}
	if balancers != nil {
		d.readBalancers(balancers)
	}
	if services != nil {
		d.readServices(services)
	}
	d.checkVariables()
	if release == nil {
		d.missing(doc.root, "release", "add `release:` with a list of steps, for example `- run: {command: ./release.sh, undo: ./unrelease.sh, check: ./released.sh}`", "the file has no release")
		return
	}
	d.readSteps(release, doc.skipApprovals)
}

// identity reads what all else may refer to.
func (doc *document) identity() {
	d := doc.d
	if n := doc.root.field("secrets"); n != nil && n.kind == mapNode {
		for _, f := range n.fields {
			d.secrets[f.key] = ripcord.SecretSource{}
		}
	}
	if n := doc.root.field("variables"); n != nil {
		d.readVariables(n)
	}
	d.setVariables()
	n := doc.root.field("application")
	if n == nil {
		if !slices.ContainsFunc(doc.root.fields, func(f field) bool { return nearest(f.key, []string{"application"}) != "" }) {
			d.add(doc.root.at, 1, "add `application: NAME`", "the file names no application")
		}
	} else {
		d.application = d.filled(n, "application")
		if d.application != "" && !validName(d.application) {
			d.add(n.at, firstLine(n), nameRule, "%q cannot be the name of an application", short(d.application))
		}
	}
	d.version = d.options.Version
	if n := doc.root.field("version"); n != nil {
		if written := d.filled(n, "version"); d.version == "" {
			d.version = written
		}
	}
	if d.version == "" {
		d.version = d.options.DefaultVersion
	}
	const rule = "use at most 128 letters, digits and . _ + - : / @, starting with a letter or digit"
	switch n := doc.root.field("version"); {
	case d.version == "" || validVersion(d.version):
	case n != nil && d.options.Version == "":
		d.add(n.at, firstLine(n), rule, "%q cannot be a version", short(d.version))
	default:
		d.flag("--version "+short(d.version), rule, "%q cannot be a version", short(d.version))
	}
}

// validVersion reports whether a version can stand in commands as it is.
func validVersion(version string) bool {
	return regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._+:/@-]{0,127}$`).MatchString(version)
}

// readBundle reads `bundle`.
func (doc *document) readBundle(n *node) {
	items := []*node{n}
	if n.kind == listNode {
		items = n.items
	}
	for _, item := range items {
		doc.bundle = append(doc.bundle, doc.d.inside(item, "bundle"))
	}
}

// failurePolicy reads `on_failure`.
func (d *decoder) failurePolicy(n *node) ripcord.FailurePolicy {
	if n.kind != mapNode {
		action := d.word(n, "on_failure", "rollback", "hold")
		return ripcord.FailurePolicy{Action: ripcord.FailureAction(action)}
	}
	policy := ripcord.FailurePolicy{Action: ripcord.FailHold, Then: ripcord.FailRollback}
	d.object(n, "on_failure", "on_failure", fields{
		"hold": func(n *node) { policy.Hold = d.positive(n, "hold") },
		"then": func(n *node) { policy.Then = ripcord.FailureAction(d.word(n, "then", "rollback")) },
	})
	d.missing(n, "hold", "write {hold: 15m, then: rollback}", "on_failure does not say how long to hold")
	return policy
}

// file makes the result; it is used only where there was no problem.
func (doc *document) file(environments []string) *File {
	d := doc.d
	plan := ripcord.Plan{
		PlanVersion: ripcord.PlanVersion, Purpose: ripcord.PurposeRelease,
		Application: d.application, Environment: d.environment, Version: d.version,
		Directory: d.options.Directory, Parallel: doc.parallel, Retention: doc.retention,
		OnFailure: doc.onFailure, OnCancel: doc.onCancel, Bundle: doc.bundle,
		Machines: d.machineSpecs(),
	}
	if len(d.wanted) > 0 {
		plan.Secrets = d.secretSources(d.wanted)
	}
	for _, s := range d.steps {
		spec := s.spec()
		if len(d.parts) > 0 {
			spec.Settings = []byte(d.joined(string(spec.Settings)))
		}
		plan.Steps = append(plan.Steps, spec)
	}
	return &File{
		Name: d.source.name, Application: d.application, Environment: d.environment,
		Version: d.version, Environments: environments, plan: plan, backups: d.backups(),
	}
}
