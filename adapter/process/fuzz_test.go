package process

import (
	"fmt"
	"testing"
)

func FuzzParsePorts(f *testing.F) {
	for _, seed := range []string{"", "20000-29999", "1-65535", "9-1", "a-b", "-", "1-2-3", "${x}"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		first, last, ok := parsePorts(text)
		if !ok || first == 0 && last == 0 {
			return
		}
		if first < 1 || last < first || last > 65535 {
			t.Fatalf("%q gives %d-%d", text, first, last)
		}
		if f, l, ok := parsePorts(fmt.Sprintf("%d-%d", first, last)); !ok || f != first || l != last {
			t.Errorf("%d-%d is read as %d-%d", first, last, f, l)
		}
	})
}

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
