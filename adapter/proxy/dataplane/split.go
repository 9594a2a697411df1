package dataplane

import (
	"errors"
	"fmt"
	"math"
	"strings"

	"github.com/ripcord-dev/ripcord"
)

// Split gives a part of the requests to a second side.
type Split struct {
	Side string `json:"side"`
	// Weight is that side's part in percent, from 0 to below 100. With 0 it gets
	// the testers' requests only.
	Weight float64 `json:"weight"`
}

// Validate reports a weight that is no part of the requests.
func (s Split) Validate() error {
	if math.IsNaN(s.Weight) || s.Weight < 0 || s.Weight >= 100 {
		return fmt.Errorf("the weight of side %s is %g; it must be from 0 to below 100 percent", s.Side, s.Weight)
	}
	return nil
}

// Front is what clients meet, whatever side their requests go to. Nil parts are
// switched off.
type Front struct {
	TLS      *TLS      `json:"tls,omitempty"`
	Affinity *Affinity `json:"affinity,omitempty"`
	Testers  *Testers  `json:"testers,omitempty"`
}

// TLS makes the address one for HTTPS.
type TLS struct {
	// Certificate and Key are paths of PEM files: the chain, beginning with the
	// server's own certificate, and its key. They are read again when they
	// change.
	Certificate string `json:"certificate"`
	Key         string `json:"key"`
}

// Affinity keeps a visitor on one side while the weight only grows.
type Affinity struct {
	// Cookie is the cookie whose value tells visitors apart.
	Cookie string `json:"cookie"`
	// For is how long a visitor is remembered. The proxy gives the cookie to
	// visitors that have none; with 0 the application does, and a visitor
	// without it is nobody in particular.
	For ripcord.Duration `json:"for,omitempty"`
}

// Testers are requests that always go to the split's side while it is ready,
// whatever its weight, and are counted apart.
type Testers struct {
	// Header is "Name: value", or "Name" for any value.
	Header string `json:"header,omitempty"`
	// Cookie is "name=value", or "name" for any value.
	Cookie string `json:"cookie,omitempty"`
}

// Validate reports the first thing that is wrong with the front. It reads no
// file.
func (f Front) Validate() error {
	if f.TLS != nil && (f.TLS.Certificate == "" || f.TLS.Key == "") {
		return errors.New("tls needs the paths of a certificate and its key")
	}
	if a := f.Affinity; a != nil {
		if !token(a.Cookie) {
			return fmt.Errorf("affinity: %q cannot be the name of a cookie", a.Cookie)
		}
		if a.For < 0 || a.For.Std().Hours() > 24*400 {
			return fmt.Errorf("affinity: for is %s; it must be between 0 and 400 days", a.For)
		}
	}
	if t := f.Testers; t != nil {
		return t.validate()
	}
	return nil
}

func (t *Testers) validate() error {
	if t.Header == "" && t.Cookie == "" {
		return errors.New("testers need a header or a cookie")
	}
	if name, _ := t.header(); t.Header != "" && !token(name) {
		return fmt.Errorf("testers: header %q is not \"Name: value\"", t.Header)
	}
	if name, _ := t.cookie(); t.Cookie != "" && !token(name) {
		return fmt.Errorf("testers: cookie %q is not \"name=value\"", t.Cookie)
	}
	return nil
}

// header returns name and value; an empty value stands for any.
func (t *Testers) header() (name, value string) {
	name, value, _ = strings.Cut(t.Header, ":")
	return strings.TrimSpace(name), strings.TrimSpace(value)
}

func (t *Testers) cookie() (name, value string) {
	name, value, _ = strings.Cut(t.Cookie, "=")
	return strings.TrimSpace(name), strings.TrimSpace(value)
}

// token reports whether s is a token of RFC 9110, as names of headers and
// cookies are.
func token(s string) bool {
	const marks = "!#$%&'*+-.^_`|~"
	for _, c := range []byte(s) {
		if (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && strings.IndexByte(marks, c) < 0 {
			return false
		}
	}
	return s != ""
}

// Equal reports whether both fronts are the same.
func (f Front) Equal(o Front) bool {
	return same(f.TLS, o.TLS) && same(f.Affinity, o.Affinity) && same(f.Testers, o.Testers)
}

func same[T comparable](a, b *T) bool {
	if a == nil || b == nil {
		return a == b
	}
	return *a == *b
}
