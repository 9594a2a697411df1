package sqlite

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/ripcord-dev/ripcord"
)

// A line ends with the hash of everything before it.
const (
	hashKey    = `,"hash":"`
	hashLength = 2 * sha256.Size
	tailLength = len(hashKey) + hashLength + len(`"}`)
	// newline stands between the lines of one append. JSON holds none.
	newline = "\n"
	// roomForLine is enough for most lines.
	roomForLine = 512
)

// ErrHash says that a line's bytes are not those that were hashed.
var ErrHash = errors.New("the entry's hash does not match its content")

// seal does what ripcord.Seal does and appends the entry's line to others. The
// bytes that are hashed are made once: the hash is the last field of an entry.
func seal(lines []byte, e ripcord.Entry, seq uint64, prev string) (ripcord.Entry, []byte, error) {
	e.Seq, e.Prev, e.Hash = seq, prev, ""
	e.At = e.At.UTC()
	begin := len(lines)
	w := encoder{to: lines}
	w.entry(&e)
	if w.err != nil {
		return e, lines, fmt.Errorf("entry %s: %w", e.Kind, w.err)
	}
	sum := sha256.Sum256(w.to[begin:])
	line := append(w.to[:len(w.to)-1], hashKey...)
	line = hex.AppendEncode(line, sum[:])
	e.Hash = string(line[len(line)-hashLength:])
	return e, append(line, `"}`...), nil
}

// ParseLine reads one line of a journal, as it is stored and exported, and
// proves that it is what was written: the hash covers the very bytes, so a line
// of an older or newer version is proved as well.
func ParseLine(line []byte) (ripcord.Entry, error) {
	var e ripcord.Entry
	line = bytes.TrimSuffix(line, []byte("\n"))
	if err := json.Unmarshal(line, &e); err != nil {
		return e, fmt.Errorf("not an entry: %w", err)
	}
	if e.Version > ripcord.EntryVersion {
		return e, fmt.Errorf("the entry has version %d, this ripcord knows %d: use a newer ripcord", e.Version, ripcord.EntryVersion)
	}
	hash, ok := hashOf(line)
	if !ok || hash != e.Hash {
		return e, ErrHash
	}
	return e, nil
}

// hashOf recomputes a line's hash; ok is false when it differs from the one that
// the line carries.
func hashOf(line []byte) (hash string, ok bool) {
	cut := len(line) - tailLength
	if cut < 1 || !bytes.HasPrefix(line[cut:], []byte(hashKey)) {
		return "", false
	}
	digest := sha256.New()
	digest.Write(line[:cut])
	digest.Write([]byte("}"))
	hash = hex.EncodeToString(digest.Sum(nil))
	return hash, hash == string(line[cut+len(hashKey):len(line)-2]) && string(line[len(line)-2:]) == `"}`
}
