package sqlite

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/ripcord-dev/ripcord"
)

// sample is an entry in which one field is set. A field that the encoder does not
// know shows as a difference.
func sample(t *testing.T, field int) ripcord.Entry {
	t.Helper()
	e := ripcord.Entry{Version: 1, Run: "r1", Seq: 7, At: time.Date(2026, 3, 1, 12, 0, 0, 5, time.UTC), Kind: ripcord.StepIntent, Prev: "before"}
	if err := populate(reflect.ValueOf(&e).Elem().Field(field), 0); err != nil {
		t.Fatalf("field %d: %v", field, err)
	}
	return e
}

// populate gives a value, and all below it, some content.
func populate(v reflect.Value, depth int) error {
	switch {
	case depth > 6:
		return nil
	case v.Type() == reflect.TypeFor[time.Time]():
		v.Set(reflect.ValueOf(time.Date(2026, 3, 1, 12, 30, 0, 120_000_000, time.UTC)))
		return nil
	case v.Type() == reflect.TypeFor[json.RawMessage]():
		v.SetBytes([]byte(` { "a" : "<b>" } `))
		return nil
	}
	switch v.Kind() {
	case reflect.String:
		v.SetString("a <text> with \"quotes\", ä and \u2028")
	case reflect.Int, reflect.Int64:
		v.SetInt(-3)
	case reflect.Uint64:
		v.SetUint(1 << 60)
	case reflect.Float64:
		v.SetFloat(0.25)
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		return populate(v.Elem(), depth+1)
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 1, 1))
		return populate(v.Index(0), depth+1)
	case reflect.Map:
		v.Set(reflect.MakeMap(v.Type()))
		key, value := reflect.New(v.Type().Key()).Elem(), reflect.New(v.Type().Elem()).Elem()
		if err := populate(value, depth+1); err != nil {
			return err
		}
		key.SetString("key")
		v.SetMapIndex(key, value)
	case reflect.Struct:
		for _, field := range v.Fields() {
			if err := populate(field, depth+1); err != nil {
				return err
			}
		}
	default:
		return fmt.Errorf("nothing to fill a %s with", v.Type())
	}
	return nil
}

// The encoder writes what json.Marshal writes, whatever field is set: what is
// hashed can be recomputed from the entry by others.
func TestEncodesLikeMarshal(t *testing.T) {
	t.Parallel()
	for i := range reflect.TypeFor[ripcord.Entry]().NumField() {
		name := reflect.TypeFor[ripcord.Entry]().Field(i).Name
		if name == "Hash" {
			continue // the line gets it last
		}
		e := sample(t, i)
		sameAsMarshal(t, name, e)
		reflect.ValueOf(&e).Elem().Field(i).SetZero()
		sameAsMarshal(t, "no "+name, e)
	}
}

func sameAsMarshal(t *testing.T, what string, e ripcord.Entry) {
	t.Helper()
	want, wantErr := json.Marshal(e)
	var w encoder
	w.entry(&e)
	if (w.err == nil) != (wantErr == nil) || wantErr == nil && string(w.to) != string(want) {
		t.Errorf("%s: %v, %v\n got %s\nwant %s", what, w.err, wantErr, w.to, want)
	}
}

func FuzzEncodesLikeMarshal(f *testing.F) {
	f.Add("r1", "step-1", "unknown", "", int64(1_700_000_000), int64(5), uint64(3), "")
	f.Add("<r>", "\x00\xff", "ä", "\u2028\"", int64(-1<<40), int64(0), uint64(0), `{"a": 1}`)
	f.Add("r\x7f", "&", "\\", "~ ", int64(1<<55), int64(100), uint64(1), "{")
	f.Fuzz(func(t *testing.T, run, step, seen, reason string, seconds, nanos int64, number uint64, data string) {
		at := time.Unix(seconds, nanos).UTC()
		e := ripcord.Entry{
			Version: int(number % 5), Run: ripcord.RunID(run), Seq: number, At: at, Fence: number / 2, Kind: ripcord.EntryKind(reason),
			Step: ripcord.StepID(step), Attempt: int(nanos % 9), Seen: &ripcord.Sighting{Presence: ripcord.Presence(seen), Detail: reason, Digest: run},
			Reason: reason, Who: step, Data: json.RawMessage(data), Until: &at, Prev: seen, Verified: nanos%2 == 0,
		}
		sameAsMarshal(t, "entry", e)
		e.At = at.In(time.FixedZone("here", 3600))
		sameAsMarshal(t, "entry of another zone", e)
	})
}

// The row of a run is its summary's JSON, also where parts of it are remembered.
func TestRowLikeMarshal(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 3, 1, 12, 0, 0, 5, time.UTC)
	var r run
	for i, e := range []ripcord.Entry{
		{Kind: ripcord.RunPlanned, Run: "r1", Plan: &ripcord.Plan{Application: `","entries":0`, Environment: `,"entries":0`}},
		{Kind: ripcord.RunAttached, Executor: &ripcord.Executor{Keeper: true}},
		{Kind: ripcord.RunStarted},
		{Kind: ripcord.StepChecked, Step: "a", Seen: &ripcord.Sighting{}},
		{Kind: ripcord.StepIntent, Step: "a"},
		{Kind: ripcord.StepProgress, Step: "a"},
		{Kind: ripcord.StepApplied, Step: "a"},
		{Kind: ripcord.RunHeld, Reason: `,"entries":0`, Step: "a", Failure: &ripcord.Failure{Summary: "no"}},
		{Kind: ripcord.StepUndone, Step: "a"},
		{Kind: ripcord.StepLeft, Step: "b"},
		{Kind: ripcord.RunRolledBack},
	} {
		e.At, e.Seq, e.Hash = at, uint64(i+1), strings.Repeat("f", i)
		r.apply(e)
		for range 2 {
			want, err := json.Marshal(r.summary)
			if err != nil {
				t.Fatal(err)
			}
			if got, err := r.row(); err != nil || got != string(want) {
				t.Errorf("after %s: %v\n got %s\nwant %s", e.Kind, err, got, want)
			}
		}
	}
}
