package haproxy

import (
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
)

// row is one line of a table that HAProxy prints, by the names of its columns.
type row map[string]string

// number returns a column as a number; empty and wrong are 0.
func (r row) number(column string) float64 {
	n, err := strconv.ParseFloat(r[column], 64)
	if err != nil || n < 0 {
		return 0
	}
	return n
}

// parseStat reads what `show stat` prints: CSV under a header that begins with #.
func parseStat(text string) ([]row, error) {
	text, ok := strings.CutPrefix(text, "# ")
	if !ok {
		return nil, fmt.Errorf("`show stat` gives no table: %q", start(text))
	}
	reader := csv.NewReader(strings.NewReader(text))
	reader.FieldsPerRecord, reader.LazyQuotes = -1, true
	header, err := reader.Read()
	if err != nil {
		return nil, fmt.Errorf("`show stat`: %w", err)
	}
	var rows []row
	for {
		fields, err := reader.Read()
		if errors.Is(err, io.EOF) {
			return rows, nil
		}
		if err != nil {
			return nil, fmt.Errorf("`show stat`: %w", err)
		}
		rows = append(rows, named(header, fields))
	}
}

// parseState reads what `show servers state` prints: a version, a header, and
// columns with spaces between them.
func parseState(text string) ([]row, error) {
	lines := strings.Split(text, "\n")
	if len(lines) < 2 || strings.TrimSpace(lines[0]) != "1" || !strings.HasPrefix(lines[1], "# ") {
		return nil, fmt.Errorf("`show servers state` gives no table: %q", start(text))
	}
	header := strings.Fields(lines[1][2:])
	var rows []row
	for _, line := range lines[2:] {
		fields := strings.Fields(line)
		if len(fields) == 0 || strings.HasPrefix(fields[0], "#") {
			continue
		}
		if len(fields) != len(header) {
			return nil, fmt.Errorf("`show servers state`: a line has %d columns in place of %d", len(fields), len(header))
		}
		rows = append(rows, named(header, fields))
	}
	return rows, nil
}

// parseInfo reads what `show info` prints: a name, a colon and a value a line.
func parseInfo(text string) row {
	info := row{}
	for line := range strings.SplitSeq(text, "\n") {
		if name, value, ok := strings.Cut(line, ": "); ok {
			info[name] = strings.TrimSpace(value)
		}
	}
	return info
}

func named(header, fields []string) row {
	r := make(row, len(header))
	for i, name := range header {
		if i < len(fields) {
			r[name] = fields[i]
		}
	}
	return r
}

// start is the beginning of an answer, for a message.
func start(text string) string {
	text = strings.Join(strings.Fields(text), " ")
	return text[:min(len(text), 100)]
}
