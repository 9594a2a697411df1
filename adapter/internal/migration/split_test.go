package migration_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ripcord-dev/ripcord/adapter/internal/database"
	"github.com/ripcord-dev/ripcord/adapter/internal/migration"
)

func TestSplit(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		kind, text string
		want       []string
		wrong      string
	}{
		"simple":            {database.Postgres, "select 1; select 2\n;;\n", []string{"select 1", "select 2"}, ""},
		"comments":          {database.Postgres, "-- a;b\nselect /* ; /* ; */ ; */ 1; -- end", []string{"select /* ; /* ; */ ; */ 1"}, ""},
		"quotes":            {database.Postgres, `insert into t values (';''', E'\';', "a;""b"); select 1`, []string{`insert into t values (';''', E'\';', "a;""b")`, "select 1"}, ""},
		"a dollar body":     {database.Postgres, "create function f() returns int as $b$ begin; return 1; end $b$ language plpgsql; select $1;", []string{"create function f() returns int as $b$ begin; return 1; end $b$ language plpgsql", "select $1"}, ""},
		"begin atomic":      {database.Postgres, "create function f() returns int begin atomic select case when true then 1 end; select 2; end; select 3", []string{"create function f() returns int begin atomic select case when true then 1 end; select 2; end", "select 3"}, ""},
		"backslash is text": {database.Postgres, `select '\'; select 2`, []string{`select '\'`, "select 2"}, ""},
		"backslash escapes": {database.MySQL, `select '\'; select 2', "\";"; select 3`, []string{`select '\'; select 2', "\";"`, "select 3"}, ""},
		"hash":              {database.MySQL, "# a;b\nselect 1--1; select `a;b`", []string{"select 1--1", "select `a;b`"}, ""},
		"a routine": {
			database.MySQL, "create procedure p() begin if 1 then select 1; end if; case 1 when 1 then select 2; end case; while 0 do select 3; end while; end; select 4",
			[]string{"create procedure p() begin if 1 then select 1; end if; case 1 when 1 then select 2; end case; while 0 do select 3; end while; end", "select 4"},
			"",
		},
		"a trigger": {
			database.SQLite, "create trigger t after insert on a begin update b set n = case when 1 then 2 else 3 end; delete from c; end; select [a;b]",
			[]string{"create trigger t after insert on a begin update b set n = case when 1 then 2 else 3 end; delete from c; end", "select [a;b]"},
			"",
		},
		"empty":          {database.SQLite, " ;\n-- nothing\n", nil, ""},
		"no end":         {database.Postgres, "select 1;\nselect 'x", nil, "line 2: the text that begins with ' does not end"},
		"no end of body": {database.Postgres, "select $a$ x", nil, "begins with $a$"},
		"no end comment": {database.SQLite, "\n/* x", nil, "line 2: this comment does not end"},
		"psql":           {database.Postgres, "select 1;\n\\i other.sql\n", nil, `line 2: a line that begins with \`},
		"copy":           {database.Postgres, "copy t from stdin;\n1\n\\.\n", nil, "line 1: COPY FROM STDIN"},
		"delimiter":      {database.MySQL, "delimiter //\nselect 1//", nil, "line 1: DELIMITER"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			all, err := migration.Split(c.kind, c.text, 1)
			if c.wrong != "" {
				if err == nil || !strings.Contains(err.Error(), c.wrong) {
					t.Fatalf("%v, want %q", err, c.wrong)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, s := range all {
				got = append(got, s.Text)
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func FuzzSplit(f *testing.F) {
	for _, text := range []string{
		"select 1; select 'a;b'", "create trigger t begin select 1; end;", "$a$ ; $a$", "/* /* */ */", `e'\''`, "-- +goose Up\nselect 1;\n",
		"alter table a add b int, drop column c", "create unique index concurrently i on t (a)", "[", "`", "#", "drop table if exists a, b cascade", "rename table a to b",
	} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		for _, kind := range database.Kinds() {
			all, err := migration.Split(kind, text, 1)
			var wrong *migration.SyntaxError
			if err != nil && !errors.As(err, &wrong) {
				t.Fatalf("%v", err)
			}
			for _, s := range all {
				if s.Text == "" || !strings.Contains(text, s.Text) || s.Line < 1 || s.Line > strings.Count(text, "\n")+1 {
					t.Fatalf("%+v is none of %q", s, text)
				}
				migration.Classify(kind, s)
			}
		}
	})
}
