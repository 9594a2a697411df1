package service_test

import (
	"fmt"
	"testing"

	"github.com/ripcord-dev/ripcord/adapter/internal/service"
)

func FuzzParseRange(f *testing.F) {
	for _, seed := range []string{"", "20000-29999", "1-65535", "9-1", "a-b", "-", "1-2-3", "${x}"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		r, ok := service.ParseRange(text)
		if !ok || r == (service.Range{}) {
			return
		}
		if r.First < 1 || r.Last < r.First || r.Last > 65535 {
			t.Fatalf("%q gives %v", text, r)
		}
		if again, ok := service.ParseRange(fmt.Sprintf("%d-%d", r.First, r.Last)); !ok || again != r {
			t.Errorf("%v is read as %v", r, again)
		}
	})
}
