package planfile

import (
	"math"

	"github.com/ripcord-dev/ripcord"
)

// migrateSettings are those of a migrate step.
type migrateSettings struct {
	Database         string           `json:"database"`
	Driver           string           `json:"driver"`
	URL              string           `json:"url"`
	Directory        string           `json:"directory"`
	Table            string           `json:"table,omitempty"`
	To               int64            `json:"to,omitempty"`
	LockWait         ripcord.Duration `json:"lock_wait,omitempty"`
	LockTimeout      ripcord.Duration `json:"lock_timeout,omitempty"`
	StatementTimeout ripcord.Duration `json:"statement_timeout,omitempty"`
	MaxDataLoss      int64            `json:"max_data_loss,omitempty"`
}

// readMigrate reads a migrate step: the name of a database, or a map.
func (d *decoder) readMigrate(s *step, n *node) {
	set := &migrateSettings{Directory: "migrations", MaxDataLoss: d.maxLoss}
	s.settings = set
	of := func(n *node) {
		if of := d.database(n); of != nil {
			set.Database, set.Driver, set.URL = n.text, of.kind, of.url
		}
	}
	if n.kind != mapNode {
		of(n)
		return
	}
	known := d.object(n, "migrate", "a migrate step", fields{
		"database":          of,
		"directory":         func(n *node) { set.Directory = d.filled(n, "directory") },
		"table":             func(n *node) { set.Table = d.filled(n, "table") },
		"to":                func(n *node) { set.To = int64(d.integer(n, "to", 1, math.MaxInt)) },
		"lock_wait":         func(n *node) { set.LockWait = d.positive(n, "lock_wait") },
		"lock_timeout":      func(n *node) { set.LockTimeout = d.positive(n, "lock_timeout") },
		"statement_timeout": func(n *node) { set.StatementTimeout = d.positive(n, "statement_timeout") },
	})
	if known {
		d.missing(n, "database", "add `database: NAME`, an entry of databases", "the migrate step does not say which database")
	}
}

// readMaxLoss reads how much data a way back may lose without asking.
func (d *decoder) readMaxLoss(n *node) {
	if n.kind != mapNode {
		if text := d.text(n, "max_data_loss"); text != "none" {
			d.add(n.at, n.width(), "write none, or {rows: 100}", "max_data_loss %q is no amount of data", short(text))
		}
		return
	}
	d.object(n, "max_data_loss", "max_data_loss", fields{
		"rows": func(n *node) { d.maxLoss = int64(d.integer(n, "rows", 0, math.MaxInt)) },
	})
}
