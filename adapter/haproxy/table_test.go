package haproxy

import "testing"

const stateText = `1
# be_id be_name srv_id srv_name srv_addr srv_op_state srv_admin_state srv_uweight srv_iweight srv_port
3 shop 1 app1 127.0.0.1 2 0 1 1 18091

`

func TestParseState(t *testing.T) {
	t.Parallel()
	rows, err := parseState(stateText)
	if err != nil || len(rows) != 1 || rows[0]["srv_name"] != "app1" || rows[0]["srv_port"] != "18091" {
		t.Errorf("%v, %v", rows, err)
	}
	for _, bad := range []string{"", "1", "Can't find backend.\n\n", "2\n# a b\n", "1\n# a b\n1\n"} {
		if rows, err := parseState(bad); err == nil {
			t.Errorf("%q gives %v", bad, rows)
		}
	}
}

func TestParseStat(t *testing.T) {
	t.Parallel()
	rows, err := parseStat("# pxname,svname,scur,desc,\nshop,a,3,\"a \"\"b\"\", c\",\nshop,BACKEND,4\n\n")
	if err != nil || len(rows) != 2 || rows[0].number("scur") != 3 || rows[0]["desc"] != `a "b", c` || rows[1]["svname"] != "BACKEND" {
		t.Errorf("%v, %v", rows, err)
	}
	if rows, err := parseStat("Permission denied\n"); err == nil {
		t.Errorf("%v", rows)
	}
}

func FuzzTables(f *testing.F) {
	f.Add(stateText)
	f.Add("# pxname,svname,scur,\nshop,a,3,\n")
	f.Add("Name: HAProxy\nPid: 3\n")
	f.Fuzz(func(_ *testing.T, text string) {
		_, _ = parseState(text)
		rows, _ := parseStat(text)
		for _, r := range rows {
			_ = serverOf(r, r)
			_, _ = counted(r)
		}
		_ = parseInfo(text)
	})
}
