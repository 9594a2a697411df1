package files

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/ripcord-dev/ripcord"
)

// settings are the step's own, as the plan file gives them.
type settings struct {
	Source        string         `json:"source"`
	Destination   string         `json:"destination"`
	Template      bool           `json:"template"`
	Delete        bool           `json:"delete"`
	Mode          string         `json:"mode"`
	DirectoryMode string         `json:"directory_mode"`
	Owner         string         `json:"owner"`
	Group         string         `json:"group"`
	Content       *string        `json:"content"`
	Values        map[string]any `json:"values"`
}

// parse reads settings and refuses what it does not know.
func parse(data []byte) (settings, error) {
	var s settings
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	if err := d.Decode(&s); err != nil {
		return s, ripcord.Errorf(ripcord.CodePlan, "files: settings: %w", err).
			WithFix("use source or content, destination, template, values, delete, mode, directory_mode, owner, group")
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return s, ripcord.Errorf(ripcord.CodePlan, "files: settings: more than one value")
	}
	return s, nil
}

func (s *settings) validate() error {
	switch {
	case s.Destination == "":
		return ripcord.Errorf(ripcord.CodePlan, "files: destination is missing").WithFix("add destination: PATH")
	case strings.ContainsRune(s.Destination, 0):
		return ripcord.Errorf(ripcord.CodePlan, "files: destination holds a zero byte")
	case filepath.Clean(s.Destination) == "/":
		return ripcord.Errorf(ripcord.CodePlan, "files: the destination / is refused").WithFix("name the folder below it that belongs to the application")
	case s.Source == "" && s.Content == nil:
		return ripcord.Errorf(ripcord.CodePlan, "files: neither source nor content is set").WithFix("add source: PATH or content: TEXT")
	case s.Source != "" && s.Content != nil:
		return ripcord.Errorf(ripcord.CodePlan, "files: both source and content are set").WithFix("keep one of them")
	case s.Content != nil && s.Delete:
		return ripcord.Errorf(ripcord.CodePlan, "files: delete needs a source folder, but content makes one file").WithFix("drop delete")
	case s.Source != "" && !filepath.IsLocal(s.Source):
		return ripcord.Errorf(ripcord.CodePlan, "files: source %q is not inside the plan file's folder", s.Source).
			WithFix("use a path relative to the plan file: the source is kept for the way back")
	}
	for name, text := range map[string]string{"mode": s.Mode, "directory_mode": s.DirectoryMode} {
		if _, err := mode(text); err != nil {
			return ripcord.Errorf(ripcord.CodePlan, "files: %s %q is not an octal mode", name, text).WithFix(`write it as "0644"`)
		}
	}
	return nil
}

// mode reads an octal mode; an empty text is -1, not set.
func mode(text string) (int, error) {
	if text == "" {
		return -1, nil
	}
	m, err := strconv.ParseUint(text, 8, 12)
	return int(m), err
}
