package nginx

import (
	"strconv"
	"strings"
	"time"
)

// logFormat is what nginx writes for each request: when it ended, its status, and
// of each instance that was asked where it is, what it answered and how long it
// took.
const logFormat = "ripcord1|$msec|$status|$upstream_addr|$upstream_status|$upstream_response_time"

// answer is what became of one question to an instance.
type answer struct {
	address string
	failed  bool
	// unknown says that the client went away before the end.
	unknown bool
	// upgraded connections have no latency.
	upgraded bool
	took     time.Duration
}

// parseLine reads a line of our log; ok is false for any other text. A request
// that was sent on to another instance has one answer for each.
func parseLine(line string) (answers []answer, ok bool) {
	const fieldCount = 6
	fields := strings.Split(strings.TrimRight(line, "\r\n"), "|")
	if len(fields) != fieldCount || fields[0] != "ripcord1" {
		return nil, false
	}
	status := fields[2]
	addresses, statuses, times := several(fields[3]), several(fields[4]), several(fields[5])
	for n, address := range addresses {
		if address == "-" || address == "" {
			continue
		}
		a := answer{address: strings.TrimPrefix(address, "unix:")}
		said := "-"
		if n < len(statuses) {
			said = statuses[n]
		}
		code, err := strconv.Atoi(said)
		last := n == len(addresses)-1
		switch {
		case last && status == "499":
			a.unknown = true
		case err != nil: // it never answered, and the client is still there
			a.failed = true
		default:
			a.failed, a.upgraded = code >= 500, code == 101
		}
		if n < len(times) {
			if seconds, err := strconv.ParseFloat(times[n], 64); err == nil && seconds >= 0 && seconds < maxSeconds {
				a.took = time.Duration(seconds * float64(time.Second))
			}
		}
		answers = append(answers, a)
	}
	return answers, true
}

const maxSeconds = 1e6

// several splits what nginx writes where several instances were asked: a comma
// between two tries, a colon where an internal redirect began anew.
func several(list string) []string {
	parts := strings.Split(strings.ReplaceAll(list, " : ", ", "), ", ")
	for n, part := range parts {
		parts[n] = strings.TrimSpace(part)
	}
	return parts
}
