package app

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ripcord-dev/ripcord"
)

func TestOrderOfGoingBack(t *testing.T) {
	t.Parallel()
	step := func(id ripcord.StepID, traffic bool, way ripcord.Way, settings string) ripcord.StepSpec {
		return ripcord.StepSpec{ID: id, Line: 7, Settings: json.RawMessage(settings), Traits: ripcord.Traits{Traffic: traffic, Reversal: ripcord.Reversal{Way: way}}}
	}
	shift := step("shift", true, ripcord.WayExact, `{"include":"/etc/nginx/conf.d/web.conf"}`)
	deploy := step("deploy", false, ripcord.WayExact, `{}`)
	tests := []struct {
		name  string
		steps []ripcord.StepSpec
		order []ripcord.StepID
		first bool
		warns string
	}{
		{"traffic last", []ripcord.StepSpec{deploy, shift, step("watch", false, ripcord.WayNothing, `{}`)}, []ripcord.StepID{"shift", "deploy"}, false, ""},
		{"a step behind it", []ripcord.StepSpec{deploy, shift, step("announce", false, ripcord.WayExact, `{"destination":"news"}`)}, []ripcord.StepID{"shift", "announce", "deploy"}, true, ""},
		{"the same file behind it", []ripcord.StepSpec{deploy, shift, step("conf", false, ripcord.WayExact, `{"destination":"/etc/nginx/conf.d/"}`)}, []ripcord.StepID{"shift", "conf", "deploy"}, true, "line 7: step conf writes /etc/nginx/conf.d, with which step shift"},
		{"the same file before it", []ripcord.StepSpec{step("conf", false, ripcord.WayExact, `{"destination":"/etc/nginx/conf.d/web.conf"}`), shift}, []ripcord.StepID{"shift", "conf"}, false, ""},
		{"no way back", []ripcord.StepSpec{shift, step("mail", false, ripcord.WayNone, `{}`)}, []ripcord.StepID{"shift"}, false, ""},
	}
	for _, test := range tests {
		p := &Preview{Plan: &ripcord.Plan{Directory: "/srv/shop", Steps: test.steps}}
		p.order()
		p.warnOfShared()
		if diff := cmp.Diff(test.order, p.BackOrder); diff != "" || p.TrafficFirst != test.first {
			t.Errorf("%s: traffic first %v (-want +got)\n%s", test.name, p.TrafficFirst, diff)
		}
		if got := strings.Join(p.Warnings, "\n"); (test.warns == "") != (got == "") || !strings.Contains(got, test.warns) {
			t.Errorf("%s: warns %q, want %q", test.name, got, test.warns)
		}
	}
}
