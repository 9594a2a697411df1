package planfile

import (
	"maps"
	"slices"
)

// readBackup reads a backup step: the name of a database, or a map.
func (d *decoder) readBackup(s *step, n *node) {
	set := &backupSettings{}
	s.settings = set
	chosen := ""
	if n.kind != mapNode {
		d.backupDatabase(set, n)
	} else if !d.object(n, "backup", "a backup step", fields{
		"database":   func(n *node) { d.backupDatabase(set, n) },
		"path":       func(n *node) { set.Name = d.filled(n, "path"); set.Source, set.Data = "tree", treeSettings{set.Name} },
		"repository": func(n *node) { chosen = d.filled(n, "repository") },
	}) {
		return
	}
	data, path := n.field("database"), n.field("path")
	switch {
	case data != nil && path != nil:
		d.add(path.at, 1, "make two steps of it", "the backup step has both database and path")
	case n.kind == mapNode && data == nil && !slices.Contains(d.misspelt[n], "database"):
		d.missing(n, "path", "add `database: NAME` or `path: PATH`", "the backup step does not say what to back up")
	}
	if r := d.repository(n, chosen); r != nil {
		maps.Copy(d.wanted, r.wanted)
		*set = set.with(r)
	}
}

// backupDatabase reads the name of the database to back up.
func (d *decoder) backupDatabase(set *backupSettings, n *node) {
	if of := d.database(n); of != nil {
		set.Name, set.Source, set.Data = d.text(n, "database"), of.kind, databaseSettings{of.url}
	}
}

// repository is the one that is chosen, or the only one; nil where that was reported.
func (d *decoder) repository(n *node, chosen string) *repository {
	names := sorted(slices.Collect(maps.Keys(d.repositories)))
	at := n.at
	if named := n.field("repository"); named != nil {
		at = named.at
	}
	switch {
	case len(names) == 0:
		d.add(at, 1, "declare one: `repositories: {main: {directory: /var/backups/"+d.application+", password: \"${secret:BACKUP_PASSWORD}\"}}`", "there is no repository to back up into")
		return nil
	case chosen == "" && n.field("repository") != nil:
		return nil
	case chosen == "" && len(names) > 1:
		d.add(at, 1, "add `repository: NAME`; repositories are: "+join(names), "there are %d repositories, and the step names none", len(names))
		return nil
	case chosen == "":
		chosen = names[0]
	}
	r := d.repositories[chosen]
	if r == nil {
		d.add(at, len([]rune(chosen)), d.didYouMean(chosen, names, "repositories are:"), "there is no repository %q", short(chosen))
	}
	return r
}
