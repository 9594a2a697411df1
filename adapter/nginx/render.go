package nginx

import (
	"fmt"
	"hash/crc32"
	"math"
	"strings"
)

// slots is how many nginx's hash method knows: it takes 15 bits of a CRC-32.
const slots = 1 << 15

// render is what nginx reads of our file.
func (m model) render() string {
	var out strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&out, format+"\n", args...) }
	line("# Ripcord writes this file at each shift of upstream %s. To take it over for good,", m.Upstream)
	line("# delete the two lines above; a change while they stand there is refused.")
	name := variable(m.Upstream)
	if m.Log != "" {
		line("log_format %s '%s';", formatName(m.Upstream), logFormat)
		line("map $proxy_host $%s_log {\n    default 0;\n    %s 1;\n}", name, quoted(m.Upstream))
		line("access_log %s %s if=$%s_log;", m.Log, formatName(m.Upstream), name)
	}
	split := m.split()
	if split && m.Cookie != "" {
		line("map $cookie_%s $%s_key {\n    default $cookie_%s;\n    \"\" $request_id;\n}", m.Cookie, name, m.Cookie)
	}
	line("upstream %s {", m.Upstream)
	weights := m.weights()
	switch {
	case split && m.Cookie != "":
		line("    hash %s$%s_key;", m.salt(), name)
	case split:
		line("    hash %s$request_id;", m.salt())
	case m.Method != "":
		line("    %s;", m.Method)
	}
	for n, side := range m.Sides {
		if side.Share > 0 {
			line("    # %s", percent(side.Share)+" "+side.Name)
		}
		for i, server := range side.Servers {
			if weights[n][i] == 0 {
				continue
			}
			words := strings.TrimSpace(fmt.Sprintf("%s weight=%d %s", quoted(server.Address), weights[n][i], m.Options))
			if server.Out {
				words += " down"
			}
			line("    server %s;", words)
		}
	}
	if !m.keeps("zone") {
		line("    zone %s 256k;", name)
	}
	for _, kept := range m.Keep {
		line("    %s;", kept)
	}
	if !m.keeps("keepalive") {
		line("    keepalive 64;")
	}
	line("}")
	return out.String()
}

func (m model) keeps(name string) bool {
	for _, kept := range m.Keep {
		if first, _, _ := strings.Cut(kept, " "); first == name {
			return true
		}
	}
	return false
}

// split reports whether requests go to more than one side.
func (m model) split() bool {
	n := 0
	for _, side := range m.Sides {
		if side.Share > 0 {
			n++
		}
	}
	return n > 1
}

// salt makes other visitors the first ones in another release: it stays the same
// while the shares of the same sides change.
func (m model) salt() string {
	var all strings.Builder
	for _, side := range m.Sides {
		all.WriteString(strings.Join(side.addresses(), ",") + ";")
	}
	return fmt.Sprintf("%08x", crc32.ChecksumIEEE([]byte(all.String())))
}

// weights gives each server its slots; together they have all of them, so that no
// slot is worth more than another.
func (m model) weights() [][]int {
	out := make([][]int, len(m.Sides))
	if !m.split() {
		for n, side := range m.Sides {
			out[n] = make([]int, len(side.Servers))
			for i, server := range side.Servers {
				if side.Share > 0 {
					out[n][i] = server.Weight
				}
			}
		}
		return out
	}
	at, share := 0, 0.0
	for n, side := range m.Sides {
		share += side.Share
		end := int(math.Round(share / full * slots))
		if n == len(m.Sides)-1 {
			end = slots
		}
		if side.Share > 0 && end == at {
			end = at + 1 // the least that there is
		}
		end = min(end, slots-(len(m.Sides)-1-n))
		out[n] = spread(end-at, side.Servers)
		at = end
	}
	return out
}

// spread divides slots among servers by their weights.
func spread(total int, servers []server) []int {
	out := make([]int, len(servers))
	sum := 0
	for _, server := range servers {
		sum += server.Weight
	}
	done, weight := 0, 0
	for n, server := range servers {
		weight += server.Weight
		end := int(math.Round(float64(total) * float64(weight) / float64(sum)))
		out[n] = end - done
		done = end
	}
	return out
}

// formatName is the log_format that our file defines.
func formatName(upstream string) string { return variable(upstream) }

// variable makes a name for nginx's variables, which know letters, digits and _.
func variable(upstream string) string {
	plain := strings.Map(func(r rune) rune {
		if r == '-' || r == '.' {
			return '_'
		}
		return r
	}, upstream)
	if plain != upstream { // a-b and a.b stay apart
		plain += fmt.Sprintf("_%08x", crc32.ChecksumIEEE([]byte(upstream)))
	}
	return "ripcord_" + plain
}
