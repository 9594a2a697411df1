package e2e_test

import "testing"

// TestRelease: a good release is there, a bad one leaves nothing behind.
func TestRelease(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "shop")
	w.release(0, "v1")
	if got := w.answer(); got != "v1" {
		t.Fatalf("the proxy's answer is %q", got)
	}
	good := w.fingerprint("v1")
	w.healthy(false)
	w.release(3, "v2")
	w.same("not at all", "v1", good)
	w.healthy(true)
	w.release(0, "v3")
	w.same("not at all", "v3", good)
	w.verified()
	w.quiet()
}
