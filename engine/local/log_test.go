package local

import (
	"bytes"
	"strings"
	"testing"

	"github.com/ripcord-dev/ripcord"
)

// TestStepLog: the beginning and the end of an endless output are kept.
func TestStepLog(t *testing.T) {
	t.Parallel()
	printed := 0
	l := &stepLog{step: "a", print: func(_ ripcord.StepID, text []byte) { printed += len(text) }}
	line := []byte(strings.Repeat("x", 1023) + "\n")
	written := 0
	for range 8 << 10 {
		n, err := l.Write(line)
		if err != nil {
			t.Fatal(err)
		}
		written += n
	}
	if _, err := l.Write([]byte("the end\n")); err != nil {
		t.Fatal(err)
	}
	kept := l.bytes()
	if len(kept) > logHead+2*logTail+100 {
		t.Errorf("%d bytes are kept", len(kept))
	}
	if !bytes.HasSuffix(kept, []byte("the end\n")) || !bytes.Contains(kept, []byte("bytes left out")) {
		t.Error("the end, or what was left out, is not told")
	}
	if printed != written+8 {
		t.Errorf("%d bytes were passed on", printed)
	}
}
