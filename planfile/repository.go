package planfile

import (
	"encoding/json"
	"maps"
	"slices"

	"github.com/ripcord-dev/ripcord"
)

// repository is one entry of `repositories`.
type repository struct {
	settings repositorySettings
	// checks are what restored backups must answer with true, by the data's name.
	checks  map[string][]string
	keep    int
	keepFor ripcord.Duration
	// wanted are the secrets in it: they are asked for when something uses it.
	wanted map[string]bool
	// broken says that it could not be read.
	broken bool
}

// repositorySettings are those of what opens repositories.
type repositorySettings struct {
	Directory string `json:"directory,omitempty"`
	Password  string `json:"password"`
}

// readRepositories reads `repositories`.
func (d *decoder) readRepositories(n *node) {
	wanted := d.wanted
	defer func() { d.wanted = wanted }()
	d.names(n, "repositories", func(name string, value *node) {
		r := &repository{wanted: map[string]bool{}}
		d.repositories[name], d.wanted = r, r.wanted
		before := len(d.list)
		ok := d.object(value, "repository", "a repository", fields{
			"directory": func(n *node) { r.settings.Directory = d.filled(n, "directory") },
			"password":  func(n *node) { r.settings.Password = d.password(n, name) },
			"checks":    func(n *node) { r.checks = d.readChecks(n) },
			"keep":      func(n *node) { r.keep = d.integer(n, "keep", 1, 100_000) },
			"keep_for":  func(n *node) { r.keepFor = d.positive(n, "keep_for") },
		})
		if ok {
			d.missing(value, "directory", "add `directory: /var/backups/"+d.application+"`", "the repository %s does not say where it is", name)
			d.missing(value, "password", "add `password: \"${secret:BACKUP_PASSWORD}\"`, and keep that password elsewhere as well: without it nobody can read the backups", "the repository %s has no password", name)
		}
		r.broken = len(d.list) > before
	})
}

// password reads a password, which never stands in the file itself.
func (d *decoder) password(n *node, of string) string {
	before := len(d.wanted)
	text := d.filled(n, "password")
	if text != "" && len(d.wanted) == before {
		d.add(n.at, n.width(), "write `password: \"${secret:BACKUP_PASSWORD}\"`; the secret is the environment variable of that name, or what `secrets` says", "the password of the repository %s stands in the file", of)
	}
	return text
}

// readChecks reads questions by the data that is asked.
func (d *decoder) readChecks(n *node) map[string][]string {
	all := map[string][]string{}
	d.names(n, "checks", func(name string, value *node) {
		if d.databases[name] == nil {
			d.add(value.at, 1, d.didYouMean(name, sorted(slices.Collect(maps.Keys(d.databases))), "databases are:"), "there is no database %q", short(name))
		}
		all[name] = d.texts(value, "checks")
	})
	return all
}

// backupSettings are those of a backup step.
type backupSettings struct {
	Name       string             `json:"name"`
	Source     string             `json:"data_source"`
	Data       any                `json:"data"`
	Repository repositorySettings `json:"repository"`
	Checks     []string           `json:"checks,omitempty"`
	Keep       int                `json:"keep,omitempty"`
	KeepFor    ripcord.Duration   `json:"keep_for,omitempty"`
}

// databaseSettings are those of a data source that is a database.
type databaseSettings struct {
	URL string `json:"url"`
}

// treeSettings are those of a folder.
type treeSettings struct {
	Path string `json:"path"`
}

// with puts a repository into the settings of what is backed up.
func (set backupSettings) with(r *repository) backupSettings {
	set.Repository, set.Checks, set.Keep, set.KeepFor = r.settings, r.checks[set.Name], r.keep, r.keepFor
	return set
}

// BackupEntry is something that the file lets be backed up, outside of a release too.
type BackupEntry struct {
	// Name is that of the database, or the path; Repository that of the repository.
	Name, Repository string
	Settings         json.RawMessage
	Secrets          map[string]ripcord.SecretSource
}

// Backups lists what can be backed up: each database, and each path that a backup step
// names, with each repository. They are in the order of names.
func (f *File) Backups() []BackupEntry { return slices.Clone(f.backups) }

// backups makes the list.
func (d *decoder) backups() []BackupEntry {
	type data struct {
		set    backupSettings
		wanted map[string]bool
	}
	found := map[string]data{}
	for name, of := range d.databases {
		if of.url != "" {
			found[name] = data{backupSettings{Name: name, Source: of.kind, Data: databaseSettings{of.url}}, of.wanted}
		}
	}
	for _, s := range d.steps {
		if set, ok := s.settings.(*backupSettings); ok && set.Source == "tree" {
			found[set.Name] = data{*set, nil}
		}
	}
	var all []BackupEntry
	for _, name := range sorted(slices.Collect(maps.Keys(found))) {
		for _, of := range sorted(slices.Collect(maps.Keys(d.repositories))) {
			settings, err := json.Marshal(found[name].set.with(d.repositories[of]))
			if err != nil {
				continue // the parts are texts and numbers
			}
			wanted := maps.Clone(d.repositories[of].wanted)
			maps.Copy(wanted, found[name].wanted)
			all = append(all, BackupEntry{name, of, settings, d.secretSources(wanted)})
		}
	}
	return all
}

// secretSources says where the values of secrets come from.
func (d *decoder) secretSources(wanted map[string]bool) map[string]ripcord.SecretSource {
	all := map[string]ripcord.SecretSource{}
	for name := range wanted {
		source, ok := d.secrets[name]
		if !ok {
			source = ripcord.SecretSource{Env: name}
		}
		all[name] = source
	}
	return all
}
