package sqlite

import (
	"encoding/json"
	"testing"
	"testing/fstest"
	"time"

	"golang.org/x/sys/unix"

	"github.com/ripcord-dev/ripcord"
)

func TestNetworkFileSystems(t *testing.T) {
	t.Parallel()
	for magic, refused := range map[int64]bool{
		unix.NFS_SUPER_MAGIC: true, unix.CIFS_SUPER_MAGIC: true, unix.SMB2_SUPER_MAGIC: true, unix.SMB_SUPER_MAGIC: true,
		unix.V9FS_MAGIC: true, unix.FUSE_SUPER_MAGIC: true, unix.CEPH_SUPER_MAGIC: true, unix.AFS_SUPER_MAGIC: true,
		unix.AFS_FS_MAGIC: true, 0x0bd00bd0: true, 0x47504653: true, 0x01161970: true,
		// The same number as a signed field of 32 bits gives it.
		-11317950:             true,
		unix.EXT4_SUPER_MAGIC: false, unix.XFS_SUPER_MAGIC: false, unix.BTRFS_SUPER_MAGIC: false, unix.TMPFS_MAGIC: false,
		unix.OVERLAYFS_SUPER_MAGIC: false, unix.F2FS_SUPER_MAGIC: false, 0x2fc12fc1: false,
	} {
		if got := networkName(magic); (got != "") != refused {
			t.Errorf("%#x: %q, refused should be %v", magic, got, refused)
		}
	}
}

// The line must be what marshalling the sealed entry gives: readers elsewhere
// recompute the hash with ripcord.Seal.
func TestSealIsRipcords(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 3, 1, 12, 0, 0, 5, time.FixedZone("here", 3600))
	for _, e := range []ripcord.Entry{
		{Run: "r", At: at, Kind: ripcord.RunStarted},
		{Run: "<r>", At: at, Kind: ripcord.StepIntent, Reason: `","hash":"x"}`, Cleanup: []ripcord.StepID{"a"}, Data: []byte(` { "a" : 1 } `)},
	} {
		want, err := ripcord.Seal(e, 7, "before")
		if err != nil {
			t.Fatal(err)
		}
		text, err := json.Marshal(want)
		if err != nil {
			t.Fatal(err)
		}
		got, line, err := seal(nil, e, 7, "before")
		if err != nil || got.Hash != want.Hash || string(line) != string(text) {
			t.Fatalf("%v\n got %s\nwant %s", err, line, text)
		}
	}
	if _, _, err := seal(nil, ripcord.Entry{Data: []byte("{")}, 1, ""); err == nil {
		t.Fatal("broken JSON was sealed")
	}
}

func TestSchemaIsNumbered(t *testing.T) {
	t.Parallel()
	file := func() *fstest.MapFile { return &fstest.MapFile{Data: []byte("SELECT 1")} }
	for name, c := range map[string]struct {
		files fstest.MapFS
		want  int
	}{
		"in order":  {fstest.MapFS{"migrations/0002_b.sql": file(), "migrations/0001_a.sql": file(), "migrations/0010_c.txt": file()}, 2},
		"a gap":     {fstest.MapFS{"migrations/0001_a.sql": file(), "migrations/0003_b.sql": file()}, 0},
		"twice":     {fstest.MapFS{"migrations/0001_a.sql": file(), "migrations/01_b.sql": file()}, 0},
		"no number": {fstest.MapFS{"migrations/first.sql": file()}, 0},
	} {
		steps, err := schema(c.files)
		if (err == nil) != (c.want > 0) || len(steps) != c.want {
			t.Errorf("%s: %d steps, %v", name, len(steps), err)
		}
	}
	if _, err := schema(migrations); err != nil {
		t.Fatal(err)
	}
}
