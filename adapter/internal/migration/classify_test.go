package migration_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ripcord-dev/ripcord/adapter/internal/migration"
)

func TestClassify(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		kind, text string
		class      migration.Class
		inverse    []string
		losses     []migration.Loss
		apart      bool
	}{
		{"postgres", "CREATE TABLE public.a (n int, check (n > 1))", "additive", []string{"DROP TABLE public.a"}, nil, false},
		{"postgres", "CREATE TABLE IF NOT EXISTS a (n int)", "additive", nil, nil, false},
		{"postgres", `create unique index concurrently "I" on only s."T" (n)`, "additive", []string{`DROP INDEX s."I"`}, nil, true},
		{"mysql", "create index i on t (n)", "additive", []string{"DROP INDEX i ON t"}, nil, false},
		{"sqlite", "create trigger g after insert on t begin select 1; end", "additive", []string{"DROP TRIGGER g"}, nil, false},
		{"postgres", "create trigger g after insert or update of n on s.t execute function f()", "additive", []string{"DROP TRIGGER g ON s.t"}, nil, false},
		{"postgres", "create materialized view v as select 1", "additive", []string{"DROP MATERIALIZED VIEW v"}, nil, false},
		{"postgres", "create or replace view v as select 1", "rewriting", nil, nil, false},
		{"postgres", "alter table a add column b text, add c numeric(3,2) default 0", "additive", []string{"ALTER TABLE a DROP COLUMN c", "ALTER TABLE a DROP COLUMN b"}, nil, false},
		{"postgres", "alter table a add column if not exists b text", "additive", nil, nil, false},
		{"postgres", "alter table a add column b uuid default gen_random_uuid()", "rewriting", []string{"ALTER TABLE a DROP COLUMN b"}, nil, false},
		{"postgres", "alter table a add b int, drop column c cascade", "destructive", nil, []migration.Loss{{Table: "a", Column: "c"}}, false},
		{"postgres", "alter table only a add constraint k foreign key (b) references c", "additive", []string{"ALTER TABLE a DROP CONSTRAINT k"}, nil, false},
		{"mysql", "alter table a add index i (b)", "additive", []string{"ALTER TABLE a DROP INDEX i"}, nil, false},
		{"mysql", "alter table a add unique key i (b)", "additive", nil, nil, false},
		{"postgres", "alter table a drop constraint k", "rewriting", nil, nil, false},
		{"postgres", "alter table s.a rename to b", "rewriting", []string{"ALTER TABLE s.b RENAME TO a"}, nil, false},
		{"postgres", "alter table a rename b to c", "rewriting", []string{"ALTER TABLE a RENAME COLUMN c TO b"}, nil, false},
		{"postgres", "alter table a alter b type bigint", "rewriting", nil, nil, false},
		{"postgres", "drop table if exists a, s.b", "destructive", nil, []migration.Loss{{Table: "a"}, {Table: "s.b"}}, false},
		{"postgres", "drop index concurrently i", "rewriting", nil, nil, true},
		{"postgres", "truncate a", "destructive", nil, []migration.Loss{{Table: "a"}}, false},
		{"postgres", "delete from a where n = 1", "destructive", nil, []migration.Loss{{Table: "a", Where: "n = 1"}}, false},
		{"postgres", "delete from a using b where a.n = b.n", "destructive", nil, nil, false},
		{"postgres", "update a set n = 1", "destructive", nil, nil, false},
		{"postgres", "insert into a values (1) on conflict do nothing", "additive", nil, nil, false},
		{"postgres", "insert into a values (1) on conflict (n) do update set n = 2", "destructive", nil, nil, false},
		{"postgres", "do $$ begin end $$", "unknown", nil, nil, false},
		{"postgres", "vacuum a", "rewriting", nil, nil, true},
		{"postgres", "alter type mood add value 'x'", "additive", nil, nil, false},
		{"mysql", "rename table a to b", "rewriting", []string{"RENAME TABLE b TO a"}, nil, false},
		{"postgres", "frobnicate", "unknown", nil, nil, false},
	} {
		t.Run(c.text, func(t *testing.T) {
			t.Parallel()
			got := migration.Classify(c.kind, migration.Statement{Text: c.text, Line: 1})
			if got.Class != c.class || got.Apart != c.apart {
				t.Errorf("%+v", got)
			}
			if diff := cmp.Diff(c.inverse, got.Inverse); diff != "" {
				t.Error(diff)
			}
			if diff := cmp.Diff(c.losses, got.Losses); diff != "" {
				t.Error(diff)
			}
		})
	}
}
