package storetest

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ripcord-dev/ripcord"
)

func requestTests() map[string]func(*testing.T, *bench) {
	return map[string]func(*testing.T, *bench){
		"requests come back in order": requestsInOrder,
		"requests need a run":         requestsNeedRun,
	}
}

func requestsInOrder(t *testing.T, b *bench) {
	ctx := t.Context()
	b.begin(ctx, t, "r1", "shop", "prod")
	b.begin(ctx, t, "r2", "shop", "staging")
	var asked []ripcord.Request
	for _, verb := range []ripcord.Verb{ripcord.VerbPause, ripcord.VerbResume, ripcord.VerbAbort} {
		r, err := b.Ask(ctx, ripcord.Request{Run: "r1", Verb: verb, Step: "s", Who: "bob", Reason: "so", At: b.clock.Now()})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := b.Ask(ctx, ripcord.Request{Run: "r2", Verb: verb, Who: "bob"}); err != nil {
			t.Fatal(err)
		}
		asked = append(asked, r)
	}
	other := b.again(t)
	for i, r := range asked {
		if i > 0 && r.ID <= asked[i-1].ID || r.ID <= 0 {
			t.Fatalf("ids do not grow: %+v", asked)
		}
		got, err := other.Requests(ctx, "r1", r.ID)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(asked[i+1:], append([]ripcord.Request{}, got...)); diff != "" {
			t.Fatalf("requests after %d (-want +got):\n%s", r.ID, diff)
		}
	}
	if got, err := b.Requests(ctx, "r2", 0); err != nil || len(got) != 3 || !got[0].At.Equal(b.clock.Now()) {
		t.Fatalf("requests %+v, %v", got, err)
	}
}

func requestsNeedRun(t *testing.T, b *bench) {
	_, err := b.Ask(t.Context(), ripcord.Request{Run: "nope", Verb: ripcord.VerbPause, Who: "bob"})
	refused(t, err, ripcord.CodeNotFound)
	if got, err := b.Requests(t.Context(), "nope", 0); err != nil || len(got) != 0 {
		t.Fatalf("requests %+v, %v", got, err)
	}
}
