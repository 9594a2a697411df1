// Package health asks whether something is well: over HTTP, gRPC or SQL, by a TCP
// connection or by a command, and judges from the answers whether it is steadily
// so. It is shared by the adapters that wait for something or watch it, and
// changes nothing.
package health

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/url"
	"strings"
	"time"

	"github.com/ripcord-dev/ripcord"
)

// Settings say what is asked, and what counts as an answer.
type Settings struct {
	// HTTP is a URL, TCP an address, Command an argument list, Targets a list of
	// addresses with commas. Exactly one of these, GRPC and SQL is set. With
	// Targets, one of Path, GRPC (without an address), SQL and Command says how each
	// is asked; in the last two stand ${instance.address} and ${instance.port}.
	HTTP    string   `json:"http"`
	TCP     string   `json:"tcp"`
	Command []string `json:"command"`
	Targets string   `json:"targets"`
	// Instances is the prefix of supervised instances, whose addresses then are the
	// targets.
	Instances string `json:"instances"`
	GRPC      *GRPC  `json:"grpc"`
	SQL       *SQL   `json:"sql"`
	// Path is asked of each target over HTTP; without it a connection is enough.
	Path string `json:"path"`
	// Status is the status that is expected; 0 is any from 200 to 299.
	Status int `json:"status"`
	// Contains is a text that the answer's body must hold.
	Contains string `json:"contains"`
	// FollowRedirects asks on where the answer is a redirect; else the redirect
	// itself is the answer.
	FollowRedirects bool `json:"follow_redirects"`
	// Successes is how many good answers in a row count as well; 0 is 3.
	Successes int `json:"successes"`
	// Failures is how many bad answers in a row fail a watch; 0 leaves it to that.
	Failures int `json:"failures"`
	// Stable is how long it has to answer well, without a bad answer in between.
	Stable   ripcord.Duration `json:"stable"`
	Flapping Flapping         `json:"flapping"`
	// Interval is the pause between two questions; 0 is 1 s.
	Interval ripcord.Duration `json:"interval"`
	// AttemptTimeout limits one question; 0 is 5 s.
	AttemptTimeout ripcord.Duration `json:"attempt_timeout"`
	// Directory and Environment are those of Command.
	Directory   string            `json:"directory"`
	Environment map[string]string `json:"environment"`
}

// Decode reads JSON into v and refuses what v does not know. The error is of
// CodePlan and begins with kind.
func Decode(kind string, data []byte, v any) error {
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	if err := d.Decode(v); err != nil {
		return ripcord.Errorf(ripcord.CodePlan, "%s: settings: %w", kind, err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return ripcord.Errorf(ripcord.CodePlan, "%s: settings: more than one value", kind)
	}
	return nil
}

// Complete fills in the defaults and refuses settings that cannot be asked. The
// error is of CodePlan and begins with kind.
func (s *Settings) Complete(kind string) error {
	if s.Targets != "" && s.Path == "" && strings.HasPrefix(s.HTTP, "/") {
		s.Path, s.HTTP = s.HTTP, ""
	}
	if s.Successes == 0 {
		s.Successes = 3
	}
	if s.Interval == 0 {
		s.Interval = ripcord.Duration(time.Second)
	}
	if s.AttemptTimeout == 0 {
		s.AttemptTimeout = ripcord.Duration(5 * time.Second)
	}
	s.Flapping.Complete()
	if err := s.one(kind); err != nil {
		return err
	}
	if err := s.Flapping.Refuse(kind); err != nil {
		return err
	}
	return s.ranges(kind)
}

// Row is how many good answers in a row are needed.
func (s *Settings) Row() int { return Row(s.Successes, s.Stable.Std(), s.Interval.Std()) }

func (s *Settings) one(kind string) error {
	alone := s.Targets == "" && s.Instances == ""
	set := number(s.HTTP != "", s.TCP != "", s.Targets != "", s.Instances != "", alone && s.Command != nil, alone && s.SQL != nil, s.GRPC != nil && (alone || s.GRPC.Address != ""))
	switch {
	case set == 0:
		return ripcord.Errorf(ripcord.CodePlan, "%s: nothing is asked", kind).WithFix("set one of http, tcp, grpc, sql, command, targets")
	case set > 1:
		return ripcord.Errorf(ripcord.CodePlan, "%s: more than one of http, tcp, grpc, sql, command, targets is set", kind).WithFix("make a step or check of each")
	case number(s.Path != "", s.GRPC != nil, s.SQL != nil, s.Command != nil) > 1:
		return ripcord.Errorf(ripcord.CodePlan, "%s: targets are asked in more than one way", kind).WithFix("keep one of path, grpc, sql, command")
	case s.Command != nil && (len(s.Command) == 0 || s.Command[0] == ""):
		return ripcord.Errorf(ripcord.CodePlan, "%s: the command is empty", kind)
	case s.HTTP != "" && !open(s.HTTP):
		u, err := url.Parse(s.HTTP)
		if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
			return ripcord.Errorf(ripcord.CodePlan, "%s: http %q is not a URL", kind, s.HTTP).WithFix("write it like http://127.0.0.1:8080/healthz")
		}
	case s.TCP != "" && !open(s.TCP):
		if _, _, err := net.SplitHostPort(s.TCP); err != nil {
			return ripcord.Errorf(ripcord.CodePlan, "%s: tcp %q is not an address", kind, s.TCP).WithFix("write it like 127.0.0.1:5432")
		}
	case s.GRPC != nil && s.GRPC.Address == "" && alone:
		return ripcord.Errorf(ripcord.CodePlan, "%s: grpc does not say which server", kind).WithFix("write it like grpc: 127.0.0.1:50051")
	case s.GRPC != nil:
		return s.GRPC.complete(kind)
	case s.SQL != nil:
		return s.SQL.complete(kind)
	case s.Path != "" && !strings.HasPrefix(s.Path, "/"):
		return ripcord.Errorf(ripcord.CodePlan, "%s: the path %q does not begin with /", kind, s.Path)
	}
	return nil
}

// number counts what is so.
func number(all ...bool) int {
	n := 0
	for _, is := range all {
		if is {
			n++
		}
	}
	return n
}

func (s *Settings) ranges(kind string) error {
	isHTTP := s.HTTP != "" || s.Path != ""
	switch {
	case s.Status != 0 && (s.Status < 100 || s.Status > 599):
		return ripcord.Errorf(ripcord.CodePlan, "%s: %d is not an HTTP status", kind, s.Status)
	case !isHTTP && (s.Status != 0 || s.Contains != "" || s.FollowRedirects):
		return ripcord.Errorf(ripcord.CodePlan, "%s: status, contains and follow_redirects need http, or targets with a path", kind)
	case s.Path != "" && s.Targets == "" && s.Instances == "":
		return ripcord.Errorf(ripcord.CodePlan, "%s: path needs targets", kind).WithFix("put the path into http")
	case s.Failures < 0 || s.Failures > 1000:
		return ripcord.Errorf(ripcord.CodePlan, "%s: failures must lie between 1 and 1000", kind)
	case s.Successes < 0 || s.Successes > 1000:
		return ripcord.Errorf(ripcord.CodePlan, "%s: successes must lie between 1 and 1000", kind)
	case s.Interval < 0 || s.Interval.Std() < 10*time.Millisecond || s.Interval.Std() > time.Hour:
		return ripcord.Errorf(ripcord.CodePlan, "%s: the interval must lie between 10ms and 1h", kind)
	case s.Stable < 0 || s.Stable.Std() > time.Hour:
		return ripcord.Errorf(ripcord.CodePlan, "%s: stable must lie between 0 and 1h", kind)
	case s.AttemptTimeout < 0 || s.AttemptTimeout.Std() > time.Hour:
		return ripcord.Errorf(ripcord.CodePlan, "%s: attempt_timeout must lie between 0 and 1h", kind)
	case s.Command == nil && (s.Directory != "" || len(s.Environment) > 0):
		return ripcord.Errorf(ripcord.CodePlan, "%s: directory and environment need command", kind)
	}
	return nil
}

// open reports whether text still holds a reference and cannot be judged yet.
func open(text string) bool { return strings.Contains(text, "${") }
