package health

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// Times says how often in a row, in words.
func Times(n int) string {
	switch n {
	case 1:
		return "once"
	case 2:
		return "twice in a row"
	}
	return fmt.Sprintf("%d times in a row", n)
}

// List joins parts of a sentence.
func List(parts []string) string {
	if len(parts) < 2 {
		return strings.Join(parts, "")
	}
	return strings.Join(parts[:len(parts)-1], ", ") + " and " + parts[len(parts)-1]
}

// Describe says in words what is asked, also of instances that a step has yet
// to start.
func (s *Settings) Describe() string {
	answer := func(who string, many bool) string {
		verb := " answers"
		if many {
			verb = " answer"
		}
		text := who + verb + " "
		if s.Path != "" {
			text += s.Path
		}
		if s.Status != 0 {
			text = strings.TrimSpace(text) + fmt.Sprintf(" with status %d", s.Status)
		}
		if s.Contains != "" {
			text = strings.TrimSpace(text) + " and says what is expected"
		}
		return strings.TrimSpace(text)
	}
	if s.Targets == "" {
		return s.describeOne(answer)
	}
	who, many := targets(s.Targets)
	verb := "s"
	if many {
		verb = ""
	}
	switch {
	case s.GRPC != nil:
		return who + " say" + verb + " over gRPC that " + s.GRPC.whole() + " is serving"
	case s.SQL != nil:
		return who + " answer" + verb + " " + strconv.Quote(oneLine(s.SQL.query()))
	case s.Command != nil:
		return "`" + strings.Join(script(s.Command), " ") + "` exits with 0 for " + who
	case s.Path != "":
		return answer(who, many)
	}
	return who + " accept" + verb + " connections"
}

// describeOne is for one thing that is asked.
func (s *Settings) describeOne(answer func(who string, many bool) string) string {
	switch {
	case s.Command != nil:
		return "`" + strings.Join(script(s.Command), " ") + "` exits with 0"
	case s.SQL != nil && s.SQL.Equals != nil:
		return fmt.Sprintf("%s answers %q with %q", s.SQL.name(), oneLine(s.SQL.query()), *s.SQL.Equals)
	case s.SQL != nil:
		return fmt.Sprintf("%s answers %q", s.SQL.name(), oneLine(s.SQL.query()))
	case s.GRPC != nil:
		return s.GRPC.Address + " says over gRPC that " + s.GRPC.whole() + " is serving"
	case s.HTTP != "":
		return answer(s.HTTP, false)
	}
	return s.TCP + " accepts connections"
}

// script leaves out the shell that a text of the plan file is given to.
func script(argv []string) []string {
	if len(argv) == 3 && argv[0] == "sh" && argv[1] == "-c" {
		return argv[2:]
	}
	return argv
}

// targets names addresses, and those that are not known yet by the step that
// makes them; many says that they may be several.
func targets(list string) (text string, many bool) {
	made := regexp.MustCompile(`^\$\{steps\.([^.{}]+)\.outputs\.addresses\}$`)
	var steps, known []string
	for target := range strings.SplitSeq(list, ",") {
		target = strings.TrimSpace(target)
		if m := made.FindStringSubmatch(target); m != nil {
			steps = append(steps, m[1])
		} else if target != "" {
			known = append(known, target)
		}
	}
	if len(steps) > 0 {
		known = append([]string{"the new instances (" + strings.Join(steps, ", ") + ")"}, known...)
	}
	return List(known), len(known) > 1 || len(steps) > 0
}

// LastWords is the line that says most of why a program ended: the newest that
// names an error as runtimes do (a Go program's panic, which its goroutines'
// stacks follow, or an exception, which Node follows with its version), else the
// last one. It is empty where there is none.
func LastWords(lines []string) string {
	said := regexp.MustCompile(`^(panic|fatal error|fatal): |^(Uncaught )?([A-Za-z_][\w.]*\.)?[A-Z]\w*(Error|Exception)(: | \[|$)|^Exception in thread `)
	last := ""
	for _, line := range slices.Backward(lines) {
		line = strings.TrimSpace(line)
		if said.MatchString(line) {
			return line
		}
		if last == "" {
			last = line
		}
	}
	return last
}
