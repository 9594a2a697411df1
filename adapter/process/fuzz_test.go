package process

import (
	"testing"
)

func FuzzParseImage(f *testing.F) {
	f.Add([]byte(`[]`))
	f.Add([]byte(`[{"colour":"blue","run":"r","version":"v1","command":"ab","instances":2}]`))
	f.Fuzz(func(t *testing.T, image []byte) {
		sets, err := parseImage(image)
		if err != nil {
			return
		}
		first, err := imageOf(sets)
		if err != nil {
			t.Fatal(err)
		}
		again, err := parseImage(first)
		if err != nil {
			t.Fatal(err)
		}
		second, err := imageOf(again)
		if err != nil || string(first) != string(second) {
			t.Errorf("%s becomes %s (%v)", first, second, err)
		}
	})
}
