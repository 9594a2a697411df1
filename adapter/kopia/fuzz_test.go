package kopia

import (
	"testing"

	"github.com/ripcord-dev/ripcord"
)

// FuzzSettings: settings are either complete or refused with words.
func FuzzSettings(f *testing.F) {
	f.Add([]byte(`{"directory":"a","password":"x"}`))
	f.Add([]byte(`{"s3":{"bucket":"b"},"password":"x"}`))
	f.Add([]byte(`{"sftp":{"host":"u@h:22","directory":"/d","identity":"i","known_hosts":"k"},"password":"x"}`))
	f.Add([]byte(`{"directory":"a","s3":{},"password":"x"}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		set, err := parse(data)
		if err != nil {
			if ripcord.CodeOf(err) != ripcord.CodePlan {
				t.Errorf("%q: %v", data, err)
			}
			return
		}
		if set.place() == "" || set.Password == "" {
			t.Errorf("%q is taken without place or password", data)
		}
		_, _ = set.connection() // it may refuse a host
	})
}
