package httpmetric

import "testing"

func FuzzNumber(f *testing.F) {
	for _, path := range []string{"$.a", "$", "$..a", "$.a[?(@.b == 'c')].d", "$['a'][0,1:2]", "$[", "a", "$.a[?(@ =~ /x/)]"} {
		f.Add([]byte(`{"a":[{"b":"c","d":1},"x",null]}`), path)
	}
	f.Fuzz(func(t *testing.T, data []byte, path string) {
		page, err := parsePage(data)
		if err != nil {
			return
		}
		if value, err := number(page, path); value != nil && err != nil {
			t.Errorf("a value and an error: %v, %v", *value, err)
		}
	})
}
