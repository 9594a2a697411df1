package prometheus

import (
	"strings"
	"testing"
)

func FuzzSelector(f *testing.F) {
	for _, text := range []string{`a`, `a{b="c"}`, `{b=~"${side.instances}",}`, `{"a.b","c d"='x\'y'}`, "a{b=`c`}", `a{b="c"}[1m]`, `a{`, `rate(a[1m])`} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		s, err := parseSelector(text)
		if err == nil && (s.text == "" || strings.HasSuffix(s.text, "]") || strings.HasSuffix(s.text, ")")) {
			t.Errorf("%q is taken for a selector", text)
		}
	})
}

func FuzzAnswer(f *testing.F) {
	for _, text := range []string{
		`{"status":"success","data":{"resultType":"vector","result":[{"metric":{"le":"+Inf","ripcord_part":"buckets"},"value":[1.5,"NaN"]}]}}`,
		`{"status":"success","data":{"resultType":"scalar","result":[1,"2"]}}`, `{"status":"error","error":"x"}`, `{}`, `[`,
		`{"status":"success","data":{"resultType":"vector","result":[{"metric":{"ripcord_part":"value"},"value":[1,"1"]}]}}`,
	} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(_ *testing.T, data []byte) {
		samples, err := parseAnswer(200, data, func(text string) string { return text })
		if err != nil {
			return
		}
		_, _ = counted(samples)
		_, _ = single(samples, true)
		_, _ = single(samples, false)
	})
}
