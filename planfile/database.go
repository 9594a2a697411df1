package planfile

import (
	"maps"
	"slices"
)

// database is one entry of `databases`.
type database struct {
	kind string
	// url is where it is; empty where the file does not say so.
	url string
	// wanted are the secrets in it: they are asked for when something uses it.
	wanted map[string]bool
}

// readDatabases reads `databases`.
func (d *decoder) readDatabases(n *node) {
	kinds := []string{"postgres", "mysql", "sqlite"}
	if d.shapes != nil {
		d.shapes["database"] = sorted(slices.Clone(kinds))
	}
	wanted := d.wanted
	defer func() { d.wanted = wanted }()
	d.names(n, "databases", func(name string, value *node) {
		of := &database{wanted: map[string]bool{}}
		d.databases[name], d.wanted = of, of.wanted
		f := d.only(value, "the database "+name, kinds, nil)
		if f == nil {
			return
		}
		of.kind = f.key
		if f.value.kind != mapNode {
			of.url = d.filled(f.value, f.key)
			return
		}
		for _, setting := range f.value.fields {
			if setting.value.kind != textNode {
				continue
			}
			if text := d.text(setting.value, setting.key); setting.key == "url" {
				of.url = text
			}
		}
	})
}

// database reads the name of a database that can be asked.
func (d *decoder) database(n *node) *database {
	name := d.filled(n, "database")
	of := d.databases[name]
	switch {
	case name == "":
		return nil
	case of == nil:
		d.add(n.at, firstLine(n), d.didYouMean(name, sorted(slices.Collect(maps.Keys(d.databases))), "databases are:"), "there is no database %q", short(name))
		return nil
	case of.url == "":
		d.add(n.at, firstLine(n), "give it one in databases, like postgres: \"${secret:ORDERS_URL}\"", "the database %s has no address", short(name))
		return nil
	}
	maps.Copy(d.wanted, of.wanted)
	return of
}
