package sqlite

import (
	"golang.org/x/sys/unix"

	"github.com/ripcord-dev/ripcord"
)

// refuseNetwork refuses file systems on which SQLite's locks and shared memory
// do not hold between machines, or whose flush promises nothing.
func refuseNetwork(dir string) error {
	var stat unix.Statfs_t
	if err := unix.Statfs(dir, &stat); err != nil {
		return ripcord.Errorf(ripcord.CodePlan, "state directory %s: %w", dir, err)
	}
	name := networkName(int64(stat.Type)) //nolint:unconvert // its type differs between architectures
	if name == "" {
		return nil
	}
	return ripcord.Errorf(ripcord.CodePlan, "state directory %s lies on %s: locks and flushes there cannot be relied on, and the journal could be damaged", dir, name).
		WithFix("choose a directory on a local disk with --state-dir")
}

// networkName returns what people call the file system with this magic number
// (statfs(2)), or nothing when it is a local one.
func networkName(magic int64) string {
	// The field is signed and 32 bits wide on some architectures.
	switch uint32(magic) { //nolint:gosec // the cut is meant
	case unix.NFS_SUPER_MAGIC:
		return "NFS, a network file system"
	case unix.SMB_SUPER_MAGIC, unix.CIFS_SUPER_MAGIC, unix.SMB2_SUPER_MAGIC:
		return "SMB/CIFS, a network file system"
	case unix.V9FS_MAGIC:
		return "9p, a file system shared by a host"
	case unix.FUSE_SUPER_MAGIC:
		return "FUSE (sshfs and the like)"
	case unix.CEPH_SUPER_MAGIC:
		return "Ceph, a network file system"
	case unix.AFS_SUPER_MAGIC, unix.AFS_FS_MAGIC:
		return "AFS, a network file system"
	case unix.CODA_SUPER_MAGIC:
		return "Coda, a network file system"
	case unix.NCP_SUPER_MAGIC:
		return "NCP, a network file system"
	case 0x0bd00bd0, 0x0bd00bd1:
		return "Lustre, a network file system"
	case 0x7461636f:
		return "OCFS2, a cluster file system"
	case 0x01161970:
		return "GFS2, a cluster file system"
	case 0x47504653:
		return "GPFS, a cluster file system"
	case 0x19830326:
		return "BeeGFS, a network file system"
	case 0x786f4256:
		return "a shared folder of VirtualBox"
	case 0xbacbacbc:
		return "a shared folder of VMware"
	default:
		// GlusterFS and MooseFS are mounted through FUSE.
		return ""
	}
}
