package planfile

import (
	"math"
	"regexp"
	"strconv"
	"strings"

	"github.com/ripcord-dev/ripcord"
)

// frontSettings are what clients of a proxy meet, whatever side they are given
// to.
type frontSettings struct {
	TLS      *tlsSettings      `json:"tls,omitempty"`
	Affinity *affinitySettings `json:"affinity,omitempty"`
	Testers  *testersSettings  `json:"testers,omitempty"`
}

// tlsSettings are the files of a listener for HTTPS.
type tlsSettings struct {
	Certificate string `json:"certificate"`
	Key         string `json:"key"`
}

// affinitySettings keep a visitor on one side.
type affinitySettings struct {
	Cookie string           `json:"cookie"`
	For    ripcord.Duration `json:"for,omitempty"`
}

// testersSettings tell requests that always go to the new side.
type testersSettings struct {
	Header string `json:"header,omitempty"`
	Cookie string `json:"cookie,omitempty"`
}

// readTLS reads the files of a certificate and its key.
func (d *decoder) readTLS(n *node) *tlsSettings {
	set := &tlsSettings{}
	ok := d.object(n, "tls", "a proxy's tls", fields{
		"certificate": func(n *node) { set.Certificate = d.filled(n, "certificate") },
		"key":         func(n *node) { set.Key = d.filled(n, "key") },
	})
	if ok {
		d.missing(n, "certificate", "add `certificate: certs/shop.pem`", "tls has no certificate")
		d.missing(n, "key", "add `key: certs/shop.key`", "tls has no key")
	}
	return set
}

// readAffinity reads the cookie that tells visitors apart. A text is its name.
func (d *decoder) readAffinity(n *node) *affinitySettings {
	set := &affinitySettings{}
	if n.kind == textNode {
		set.Cookie = d.token(n, "affinity", "the name of a cookie", "shop_visitor")
		return set
	}
	ok := d.object(n, "affinity", "a proxy's affinity", fields{
		"cookie": func(n *node) { set.Cookie = d.token(n, "cookie", "the name of a cookie", "shop_visitor") },
		"for":    func(n *node) { set.For = d.positive(n, "for") },
	})
	if ok {
		d.missing(n, "cookie", "add `cookie: shop_visitor`", "affinity names no cookie")
	}
	return set
}

// readTesters reads what marks testers' requests.
func (d *decoder) readTesters(n *node) *testersSettings {
	set := &testersSettings{}
	ok := d.object(n, "testers", "a proxy's testers", fields{
		"header": func(n *node) { set.Header = d.mark(n, "header", ":", "\"X-Canary: yes\"") },
		"cookie": func(n *node) { set.Cookie = d.mark(n, "cookie", "=", "canary=yes") },
	})
	if ok && set.Header == "" && set.Cookie == "" && len(n.fields) == 0 {
		d.add(n.at, 1, "add `header: \"X-Canary: yes\"` or `cookie: canary=yes`", "testers are told by nothing")
	}
	return set
}

// mark reads a name with a value behind a separator, or the name alone.
func (d *decoder) mark(n *node, what, separator, example string) string {
	text := d.filled(n, what)
	name, _, _ := strings.Cut(text, separator)
	if text != "" && !strings.Contains(text, "${") && !isToken(strings.TrimSpace(name)) {
		d.add(n.at, firstLine(n), "write a name, or a name and a value, for example "+example, "%s %q marks nothing", what, short(text))
	}
	return text
}

// token reads a name as HTTP knows them.
func (d *decoder) token(n *node, what, want, example string) string {
	text := d.filled(n, what)
	if text != "" && !strings.Contains(text, "${") && !isToken(text) {
		d.add(n.at, firstLine(n), "write letters, digits, \"-\" and \"_\", for example "+example, "%s %q cannot be %s", what, short(text), want)
	}
	return text
}

func isToken(text string) bool {
	return regexp.MustCompile("^[-!#$%&'*+.^_`|~0-9A-Za-z]+$").MatchString(text)
}

// weight reads a percentage from 0 to 100, in steps of a thousandth.
func (d *decoder) weight(n *node) *float64 {
	if n.kind != textNode && n.kind != numberNode {
		d.wrong(n, "weight", "a percentage", "5%")
		return nil
	}
	digits := strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(d.expand(n, false)), "%"))
	value, err := strconv.ParseFloat(digits, 64)
	fine := math.Round(value*1000) / 1000
	if err != nil || !(value >= 0 && value <= 100) || math.Abs(value-fine) > 1e-9 {
		d.add(n.at, n.width(), "write a percentage from 0% to 100%, for example 5% or 0.1%", "weight %q is no part of the traffic", short(n.text))
		return nil
	}
	return &fine
}
