package sqlite

import (
	"encoding/json"
	"strconv"
	"time"

	"github.com/ripcord-dev/ripcord"
)

// encoder writes JSON as json.Marshal does, byte for byte, without looking at
// types while it runs: entries are encoded all the time, and hashed as encoded.
// What is rare or nested is left to json.Marshal.
type encoder struct {
	to []byte
	// err is the first problem.
	err error
}

// entry encodes an entry without its hash.
func (w *encoder) entry(e *ripcord.Entry) {
	w.to = append(w.to, `{"v":`...)
	w.to = strconv.AppendInt(w.to, int64(e.Version), 10)
	w.text(`,"run":`, string(e.Run))
	w.to = append(w.to, `,"seq":`...)
	w.to = strconv.AppendUint(w.to, e.Seq, 10)
	w.time(`,"at":`, e.At)
	if e.Fence != 0 {
		w.to = append(w.to, `,"fence":`...)
		w.to = strconv.AppendUint(w.to, e.Fence, 10)
	}
	w.text(`,"kind":`, string(e.Kind))
	w.optional(`,"step":`, string(e.Step))
	if e.Attempt != 0 {
		w.to = append(w.to, `,"attempt":`...)
		w.to = strconv.AppendInt(w.to, int64(e.Attempt), 10)
	}
	w.nested(`,"plan":`, e.Plan, e.Plan != nil)
	w.nested(`,"executor":`, e.Executor, e.Executor != nil)
	w.nested(`,"request":`, e.Request, e.Request != nil)
	w.sighting(e.Seen)
	w.nested(`,"failure":`, e.Failure, e.Failure != nil)
	w.nested(`,"outputs":`, e.Outputs, len(e.Outputs) > 0)
	w.nested(`,"blobs":`, e.Blobs, len(e.Blobs) > 0)
	w.nested(`,"data":`, e.Data, len(e.Data) > 0)
	w.optional(`,"who":`, e.Who)
	w.optional(`,"reason":`, e.Reason)
	if e.Until != nil {
		w.time(`,"until":`, *e.Until)
	}
	w.nested(`,"then":`, e.Then, e.Then != "")
	w.flag(`,"verified":true`, e.Verified)
	w.flag(`,"back":true`, e.Back)
	w.optional(`,"state":`, string(e.State))
	w.optional(`,"last_good":`, string(e.LastGood))
	w.nested(`,"cleanup":`, e.Cleanup, len(e.Cleanup) > 0)
	w.optional(`,"prev":`, e.Prev)
	w.to = append(w.to, '}')
}

func (w *encoder) sighting(s *ripcord.Sighting) {
	if s == nil {
		return
	}
	w.text(`,"seen":{"presence":`, string(s.Presence))
	w.flag(`,"exact":true`, s.Exact)
	w.optional(`,"detail":`, s.Detail)
	w.optional(`,"digest":`, s.Digest)
	w.nested(`,"image":`, s.Image, s.Image != nil)
	w.flag(`,"away":true`, s.Away)
	w.to = append(w.to, '}')
}

func (w *encoder) flag(text string, set bool) {
	if set {
		w.to = append(w.to, text...)
	}
}

func (w *encoder) optional(key, value string) {
	if value != "" {
		w.text(key, value)
	}
}

func (w *encoder) text(key, value string) {
	if !plain(value) {
		w.nested(key, value, true)
		return
	}
	w.to = append(w.to, key...)
	w.to = append(w.to, '"')
	w.to = append(w.to, value...)
	w.to = append(w.to, '"')
}

// plain reports whether a text stands in JSON as it is.
func plain(text string) bool {
	for i := range len(text) {
		switch c := text[i]; {
		case c < ' ' || c > '~', c == '"', c == '\\', c == '<', c == '>', c == '&':
			return false
		}
	}
	return true
}

func (w *encoder) time(key string, t time.Time) {
	if year := t.Year(); t.Location() != time.UTC || year < 1 || year > 9999 {
		w.nested(key, t, true)
		return
	}
	w.to = append(w.to, key...)
	w.to = append(w.to, '"')
	w.to = t.AppendFormat(w.to, time.RFC3339Nano)
	w.to = append(w.to, '"')
}

func (w *encoder) nested(key string, value any, set bool) {
	if !set || w.err != nil {
		return
	}
	text, err := json.Marshal(value)
	if err != nil {
		w.err = err
		return
	}
	w.to = append(w.to, key...)
	w.to = append(w.to, text...)
}
