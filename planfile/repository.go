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
	Directory string          `json:"directory,omitempty"`
	S3        *repositoryS3   `json:"s3,omitempty"`
	SFTP      *repositorySFTP `json:"sftp,omitempty"`
	Password  string          `json:"password"`
}

// repositoryS3 is a bucket in S3, or in what speaks like it.
type repositoryS3 struct {
	Bucket    string `json:"bucket"`
	Prefix    string `json:"prefix,omitempty"`
	Endpoint  string `json:"endpoint,omitempty"`
	Region    string `json:"region,omitempty"`
	AccessKey string `json:"access_key,omitempty"`
	SecretKey string `json:"secret_key,omitempty"`
	Insecure  bool   `json:"insecure,omitempty"`
}

// repositorySFTP is a folder on another machine.
type repositorySFTP struct {
	Host       string `json:"host"`
	Directory  string `json:"directory"`
	Identity   string `json:"identity"`
	KnownHosts string `json:"known_hosts"`
}

// readS3 reads where a repository is in S3.
func (d *decoder) readS3(n *node) *repositoryS3 {
	set := &repositoryS3{}
	text := func(key string, into *string) func(*node) {
		return func(n *node) { *into = d.filled(n, key) }
	}
	if d.object(n, "repository_s3", "a repository in S3", fields{
		"bucket": text("bucket", &set.Bucket), "prefix": text("prefix", &set.Prefix), "endpoint": text("endpoint", &set.Endpoint), "region": text("region", &set.Region),
		"access_key": text("access_key", &set.AccessKey), "secret_key": text("secret_key", &set.SecretKey),
		"insecure": func(n *node) { set.Insecure = d.boolean(n, "insecure") },
	}) {
		d.missing(n, "bucket", "add `bucket: NAME`", "the repository in S3 names no bucket")
	}
	return set
}

// readSFTP reads on which machine a repository is.
func (d *decoder) readSFTP(n *node) *repositorySFTP {
	set := &repositorySFTP{}
	known := map[string]*string{"host": &set.Host, "directory": &set.Directory, "identity": &set.Identity, "known_hosts": &set.KnownHosts}
	read := fields{}
	for key, into := range known {
		read[key] = func(n *node) { *into = d.filled(n, key) }
	}
	if d.object(n, "repository_sftp", "a repository over SFTP", read) {
		for _, key := range sorted(slices.Collect(maps.Keys(known))) {
			d.missing(n, key, "write {host: \"backup@nas:22\", directory: /backups/shop, identity: /etc/ripcord/backup_key, known_hosts: /etc/ripcord/known_hosts}", "the repository over SFTP has no %s", key)
		}
	}
	return set
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
			"s3":        func(n *node) { r.settings.S3 = d.readS3(n) },
			"sftp":      func(n *node) { r.settings.SFTP = d.readSFTP(n) },
			"password":  func(n *node) { r.settings.Password = d.password(n, name) },
			"checks":    func(n *node) { r.checks = d.readChecks(n) },
			"keep":      func(n *node) { r.keep = d.integer(n, "keep", 1, 100_000) },
			"keep_for":  func(n *node) { r.keepFor = d.positive(n, "keep_for") },
		})
		if ok {
			d.oneStore(value, name)
			d.missing(value, "password", "add `password: \"${secret:BACKUP_PASSWORD}\"`, and keep that password elsewhere as well: without it nobody can read the backups", "the repository %s has no password", name)
		}
		r.broken = len(d.list) > before
	})
}

// oneStore reports a repository that is nowhere, or in several places.
func (d *decoder) oneStore(n *node, name string) {
	var places []*node
	for _, key := range []string{"directory", "s3", "sftp"} {
		if place := n.field(key); place != nil {
			places = append(places, place)
		}
	}
	switch {
	case len(places) == 0 && !slices.Contains(d.misspelt[n], "s3") && !slices.Contains(d.misspelt[n], "sftp"):
		d.missing(n, "directory", "add `directory: /var/backups/"+d.application+"`, or s3 or sftp", "the repository %s does not say where it is", name)
	case len(places) > 1:
		d.add(places[1].at, 1, "make two repositories of it", "the repository %s is in %d places", name, len(places))
	}
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
