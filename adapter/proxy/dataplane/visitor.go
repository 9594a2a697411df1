package dataplane

import (
	"crypto/rand"
	"encoding/binary"
	"encoding/hex"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// table is the routing decision that requests see.
type table struct {
	// side has the route, nil where none has.
	side *liveSide
	// split gets a part of the requests; nil where there is no split.
	split *liveSide
	// part is the split's part, from 0 to below 1.
	part float64
	// salt makes each split draw its visitors anew.
	salt     uint64
	affinity *Affinity
	testers  *testerRule
	tls      *TLS
}

// holds reports whether the side gets requests.
func (t *table) holds(s *liveSide) bool { return s != nil && (s == t.side || s == t.split) }

// other returns the second of the two sides, or nil.
func (t *table) other(s *liveSide) *liveSide {
	if t.split == nil || s != t.side {
		if s == t.side {
			return nil
		}
		return t.side
	}
	return t.split
}

// choose returns the side for a visitor. A side of which nothing is usable
// gives its part to the other one until it is well again.
func (t *table) choose(v visitor) *liveSide {
	if t.split == nil {
		return t.side
	}
	chosen := t.side
	if v.tester || v.draw < t.part {
		chosen = t.split
	}
	if other := t.other(chosen); !chosen.anyUsable() && other != nil && other.anyUsable() {
		return other
	}
	return chosen
}

// visitor is what the choice between two sides depends on.
type visitor struct {
	tester bool
	// draw is at least 0 and below 1: visitors below the split's part get the
	// split's side. A visitor's draw stays, so a growing part only adds to it.
	draw float64
	// give is the value of the affinity cookie that the visitor is to get.
	give string
}

// meet finds out who makes a request. Without affinity, luck decides.
func (t *table) meet(r *http.Request, luck float64, now time.Time) visitor {
	if t.split == nil {
		return visitor{}
	}
	v := visitor{draw: luck, tester: t.testers.match(r)}
	if t.affinity == nil || v.tester {
		return v
	}
	value := ""
	if c, err := r.Cookie(t.affinity.Cookie); err == nil {
		value = c.Value
	}
	if t.affinity.For > 0 {
		value, v.give = remember(value, t.affinity.For.Std(), now)
	}
	if value != "" {
		v.draw = drawOf(value, t.salt)
	}
	return v
}

// The proxy's own cookie values are an id of 16 hexadecimal digits, a dot and
// the time of their making, so that they can be renewed in time.
const idLength = 16

// remember returns the part of a cookie's value that tells the visitor apart,
// and the value to give to a visitor that has none, or an old one.
func remember(value string, lasts time.Duration, now time.Time) (id, give string) {
	id, made, ours := strings.Cut(value, ".")
	if value != "" && (!ours || len(id) != idLength) {
		return value, ""
	}
	if value == "" {
		var b [idLength / 2]byte
		_, _ = rand.Read(b[:]) // never fails
		id = hex.EncodeToString(b[:])
	} else if at, err := strconv.ParseInt(made, 36, 64); err == nil && now.Sub(time.Unix(at, 0)) < lasts/2 {
		return id, ""
	}
	return id, id + "." + strconv.FormatInt(now.Unix(), 36)
}

// setCookie is the header that gives a visitor its cookie.
func (a *Affinity) setCookie(value string, secure bool) string {
	c := http.Cookie{ //nolint:gosec // a listener without TLS can set no secure cookie
		Name: a.Cookie, Value: value, Path: "/", MaxAge: int(a.For.Std().Seconds()),
		HttpOnly: true, Secure: secure, SameSite: http.SameSiteLaxMode,
	}
	return c.String()
}

// testerRule is Testers, taken apart.
type testerRule struct{ header, headerValue, cookie, cookieValue string }

func newTesterRule(t *Testers) *testerRule {
	if t == nil {
		return nil
	}
	rule := new(testerRule)
	rule.header, rule.headerValue = t.header()
	rule.header = http.CanonicalHeaderKey(rule.header)
	rule.cookie, rule.cookieValue = t.cookie()
	return rule
}

func (t *testerRule) match(r *http.Request) bool {
	if t == nil {
		return false
	}
	if values, there := r.Header[t.header]; there && t.header != "" {
		for _, v := range values {
			if t.headerValue == "" || strings.TrimSpace(v) == t.headerValue {
				return true
			}
		}
	}
	if t.cookie == "" {
		return false
	}
	for _, c := range r.CookiesNamed(t.cookie) {
		if t.cookieValue == "" || c.Value == t.cookieValue {
			return true
		}
	}
	return false
}

// FNV-1a, whose values are the same in every process.
const (
	fnvOffset = 14695981039346656037
	fnvPrime  = 1099511628211
)

func fnv(h uint64, text string) uint64 {
	for i := range len(text) {
		h = (h ^ uint64(text[i])) * fnvPrime
	}
	return h
}

// saltOf depends on the side's targets: the visitors of one release's canary
// are not those of the next.
func saltOf(s Side) uint64 { return fnv(fnv(fnvOffset, s.Name), strings.Join(s.Targets, ",")) }

// drawOf maps a visitor to a number from 0 to below 1, evenly.
func drawOf(value string, salt uint64) float64 {
	h := fnv(fnvOffset^salt, value)
	// FNV's upper bits are weak for short texts; this is the end of splitmix64.
	h = (h ^ h>>30) * 0xbf58476d1ce4e5b9
	h = (h ^ h>>27) * 0x94d049bb133111eb
	return unit(h ^ h>>31)
}

// luck is a draw for a visitor that nobody knows.
func luck() float64 {
	var b [8]byte
	_, _ = rand.Read(b[:]) // never fails
	return unit(binary.LittleEndian.Uint64(b[:]))
}

// unit maps 64 bits to a number from 0 to below 1.
func unit(h uint64) float64 { return float64(h>>11) / (1 << 53) }
