package planfile

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/ripcord-dev/ripcord"
)

// MaxErrors is how many problems one parse reports; the rest is counted.
const MaxErrors = 20

// Error is one problem in a plan file.
type Error struct {
	// File is the plan file's name as the caller gave it, or the flag ("--set")
	// where the problem is not in the file; Line is 0 then.
	File string `json:"file"`
	// Line and Column count from 1; Column counts characters.
	Line   int `json:"line,omitempty"`
	Column int `json:"column,omitempty"`
	// What is wrong, in one line.
	What string `json:"what"`
	// Fix is how to mend it.
	Fix string `json:"fix"`
	// Source is the line of the file, Width how many characters of it are meant.
	Source string `json:"-"`
	Width  int    `json:"-"`
}

// Where returns "file:line:column".
func (e Error) Where() string {
	if e.Line == 0 {
		return e.File
	}
	return fmt.Sprintf("%s:%d:%d", e.File, e.Line, e.Column)
}

// Error returns where, what, the source line with a caret, and the fix.
func (e Error) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %s\n", e.Where(), e.What)
	if e.Line > 0 {
		b.WriteString(e.excerpt())
	}
	fmt.Fprintf(&b, "  fix: %s", e.Fix)
	return b.String()
}

// excerptWidth is how many characters of a source line are shown.
const excerptWidth = 100

// excerpt shows the source line with carets below the place. Of a very long line
// it shows the part around the place.
func (e Error) excerpt() string {
	line, column := []rune(e.Source), e.Column-1
	if len(line) > excerptWidth {
		from := max(0, min(column-excerptWidth/2, len(line)-excerptWidth))
		line, column = line[from:from+excerptWidth], column-from
	}
	for i, r := range line {
		if r == '\t' {
			line[i] = ' '
		}
	}
	column = min(max(column, 0), len(line))
	width := min(max(e.Width, 1), max(len(line)-column, 1))
	gutter := fmt.Sprintf("%6d", e.Line)
	return fmt.Sprintf("%s | %s\n%s | %s%s\n", gutter, strings.TrimRight(string(line), " "),
		strings.Repeat(" ", len(gutter)), strings.Repeat(" ", column), strings.Repeat("^", width))
}

// Errors are all problems of a plan file, sorted by position. Its code is
// ripcord.CodePlan.
type Errors struct { //nolint:errname // it holds a list of Error
	List []Error `json:"errors"`
	// More is how many further problems are not in List.
	More int `json:"more,omitempty"`
}

// Error returns all problems, one paragraph each.
func (e *Errors) Error() string {
	parts := make([]string, 0, len(e.List)+1)
	for _, one := range e.List {
		parts = append(parts, one.Error())
	}
	if e.More > 0 {
		parts = append(parts, fmt.Sprintf("and %d more problems; mend these first", e.More))
	}
	return strings.Join(parts, "\n")
}

// Unwrap returns the same as a ripcord.Error, so that the code is found.
func (e *Errors) Unwrap() error {
	if len(e.List) == 0 {
		return ripcord.Errorf(ripcord.CodePlan, "the plan file is wrong")
	}
	first := e.List[0]
	message := first.Where() + ": " + first.What
	if rest := len(e.List) + e.More - 1; rest > 0 {
		message += fmt.Sprintf(" (and %d more)", rest)
	}
	return ripcord.Errorf(ripcord.CodePlan, "%s", message).WithFix("%s", first.Fix)
}

// problems collects errors.
type problems struct {
	source *source
	list   []Error
}

// position is a place in the file; both count from 1.
type position struct{ line, column int }

// add reports a problem at a place of width characters.
func (p *problems) add(at position, width int, fix, format string, args ...any) {
	at = p.source.clamp(at)
	p.list = append(p.list, Error{
		File: p.source.name, Line: at.line, Column: at.column, Width: width,
		What: fmt.Sprintf(format, args...), Fix: fix, Source: p.source.line(at.line),
	})
}

// flag reports a problem of a command-line flag.
func (p *problems) flag(flag, fix, format string, args ...any) {
	p.list = append(p.list, Error{File: flag, What: fmt.Sprintf(format, args...), Fix: fix})
}

// errors returns what was collected as one error, or nil.
func (p *problems) errors() error {
	if len(p.list) == 0 {
		return nil
	}
	slices.SortStableFunc(p.list, func(a, b Error) int {
		return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column), cmp.Compare(a.What, b.What))
	})
	list := slices.CompactFunc(p.list, func(a, b Error) bool {
		return a.Line == b.Line && a.Column == b.Column && a.What == b.What
	})
	all := &Errors{List: list}
	if len(list) > MaxErrors {
		all.List, all.More = list[:MaxErrors], len(list)-MaxErrors
	}
	return all
}
