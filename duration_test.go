package ripcord_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/ripcord-dev/ripcord"
)

func TestDurationJSON(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"0", "0.2", "8.2", "1.1", "30", "86400", "0.000000001", "-8.2"} {
		var d ripcord.Duration
		if err := json.Unmarshal([]byte(text), &d); err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		again, err := json.Marshal(d)
		if err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		var back ripcord.Duration
		if err := json.Unmarshal(again, &back); err != nil || back != d {
			t.Errorf("%s became %s: %v, then %v (%v)", text, again, d.Std(), back.Std(), err)
		}
	}
	var d ripcord.Duration
	if err := json.Unmarshal([]byte("8.2"), &d); err != nil || d.Std() != 8200*time.Millisecond {
		t.Errorf("8.2 is %v, %v", d, err)
	}
	for _, text := range []string{"1e300", "-1e300", `"1s"`} {
		if err := json.Unmarshal([]byte(text), &d); err == nil {
			t.Errorf("%s is taken as %v", text, d)
		}
	}
}
