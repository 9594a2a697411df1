package ripcord_test

import (
	"regexp"
	"strings"
	"testing"

	"github.com/ripcord-dev/ripcord"
)

// TestSideInstances: ${side.instances} matches each address of the side, written
// in the double quotes of a query, and nothing that only looks like one.
func TestSideInstances(t *testing.T) {
	t.Parallel()
	for addresses, others := range map[string][]string{
		"127.0.0.1:8080":               {"127x0.0.1:8080", "127.0.0.1:80800"},
		"127.0.0.1:8080, 10.0.0.2:80":  {"127.0.0.1:80", "10.0.0.2:8080"},
		"[::1]:8080,[2001:db8::7]:443": {":8080", "1:8080", "[::1]:443", "::1:8080"},
		"web-1.example.com:80":         {"web-1xexample.com:80"},
	} {
		quoted := ripcord.Side{Addresses: addresses}.Expand(`"${side.instances}"`)
		// As a query's string does.
		pattern := strings.ReplaceAll(strings.Trim(quoted, `"`), `\\`, `\`)
		whole, err := regexp.Compile("^(?:" + pattern + ")$")
		if err != nil {
			t.Errorf("%s gives %s: %v", addresses, quoted, err)
			continue
		}
		for address := range strings.SplitSeq(addresses, ",") {
			if !whole.MatchString(strings.TrimSpace(address)) {
				t.Errorf("%s does not match %s", quoted, address)
			}
		}
		for _, other := range others {
			if whole.MatchString(other) {
				t.Errorf("%s matches %s", quoted, other)
			}
		}
	}
	open := ripcord.Side{Addresses: "${steps.deploy-web.outputs.addresses}"}
	if got := open.Expand("${side.instances}"); got != open.Addresses {
		t.Errorf("of a side that is not known yet: %s", got)
	}
	if got := (ripcord.Side{}).Expand("${side.instances}"); got != "" {
		t.Errorf("of no side: %s", got)
	}
}
