package kopia

import (
	"context"
	"errors"
	"testing"

	"github.com/kopia/kopia/repo"

	"github.com/ripcord-dev/ripcord"
)

// MarkNewer marks a repository as a newer Ripcord would.
func MarkNewer(ctx context.Context, r ripcord.Repository) error {
	of, ok := r.(*Repository)
	if !ok {
		return errors.New("it is none of ours")
	}
	return repo.WriteSession(ctx, of.rep, repo.WriteSessionOptions{}, func(ctx context.Context, w repo.RepositoryWriter) error {
		_, err := w.ReplaceManifests(ctx, markLabels(), mark{Version: version + 1})
		return err
	})
}

func TestANewerFormatIsSaidToBe(t *testing.T) {
	t.Parallel()
	r := &Repository{}
	for _, text := range []string{
		"unable to create format manager: can't handle repositories created using version 9 (min supported 1, max supported 3)",
		"This version of Kopia does not support feature 'time-travel'.",
	} {
		if err := r.refused(errors.New(text)); ripcord.CodeOf(err) != ripcord.CodePlan {
			t.Errorf("%q becomes %v", text, err)
		}
	}
}
