package kopia

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/kopia/kopia/repo/blob"
	"github.com/kopia/kopia/repo/blob/filesystem"
	"github.com/kopia/kopia/repo/blob/s3"
	"github.com/kopia/kopia/repo/blob/sftp"

	"github.com/ripcord-dev/ripcord"
)

// clock tells the time.
type clock func() time.Time

// settings say where a repository is: exactly one of Directory, S3 and SFTP.
type settings struct {
	// Directory is a folder of this machine, relative to the plan file's.
	Directory string        `json:"directory,omitempty"`
	S3        *s3Settings   `json:"s3,omitempty"`
	SFTP      *sftpSettings `json:"sftp,omitempty"`
	// Password encrypts everything; it may hold ${secret:NAME}, as may all texts.
	Password string `json:"password"`
}

// s3Settings are those of a bucket in S3, or in what speaks like it.
type s3Settings struct {
	Bucket   string `json:"bucket"`
	Prefix   string `json:"prefix,omitempty"`
	Endpoint string `json:"endpoint,omitempty"`
	Region   string `json:"region,omitempty"`
	// AccessKey and SecretKey are the account; without them that of the machine.
	AccessKey string `json:"access_key,omitempty"`
	SecretKey string `json:"secret_key,omitempty"`
	// Insecure speaks without TLS.
	Insecure bool `json:"insecure,omitempty"`
}

// sftpSettings are those of a folder on another machine.
type sftpSettings struct {
	// Host is "user@host:port"; without a port 22.
	Host      string `json:"host"`
	Directory string `json:"directory"`
	// Identity is the file of the private key, KnownHosts that of the host keys that
	// are right. They are relative to the plan file's folder.
	Identity   string `json:"identity"`
	KnownHosts string `json:"known_hosts"`
}

// parse reads settings and refuses what it does not know.
func parse(data []byte) (settings, error) {
	var s settings
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	if err := d.Decode(&s); err != nil {
		return s, ripcord.Errorf(ripcord.CodePlan, "repository: settings: %w", err).WithFix("use directory, s3 or sftp, and password")
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return s, ripcord.Errorf(ripcord.CodePlan, "repository: settings: more than one value")
	}
	return s, s.validate()
}

func (s *settings) validate() error {
	places := 0
	for _, given := range []bool{s.Directory != "", s.S3 != nil, s.SFTP != nil} {
		if given {
			places++
		}
	}
	switch {
	case places == 0:
		return ripcord.Errorf(ripcord.CodePlan, "the repository does not say where it is").WithFix("add directory: PATH, s3 or sftp")
	case places > 1:
		return ripcord.Errorf(ripcord.CodePlan, "the repository is in %d places", places).WithFix("make two repositories of it")
	case s.Password == "":
		return ripcord.Errorf(ripcord.CodePlan, "the repository has no password").
			WithFix(`add password: "${secret:BACKUP_PASSWORD}", and keep that password elsewhere as well: without it nobody can read the backups`)
	case s.S3 != nil && s.S3.Bucket == "":
		return ripcord.Errorf(ripcord.CodePlan, "the repository in S3 names no bucket").WithFix("add bucket: NAME")
	case s.SFTP != nil && (s.SFTP.Host == "" || s.SFTP.Directory == "" || s.SFTP.Identity == "" || s.SFTP.KnownHosts == ""):
		return ripcord.Errorf(ripcord.CodePlan, "the repository over SFTP is not described in full").WithFix("give host, directory, identity and known_hosts")
	}
	return nil
}

// resolve puts secrets and the plan file's folder in.
func (s *settings) resolve(ctx context.Context, scope ripcord.Scope, r *Repository) error {
	texts := []*string{&s.Password}
	if s.S3 != nil {
		of := *s.S3
		s.S3 = &of
		texts = append(texts, &of.Bucket, &of.Prefix, &of.Endpoint, &of.Region, &of.AccessKey, &of.SecretKey)
	}
	if s.SFTP != nil {
		of := *s.SFTP
		s.SFTP = &of
		texts = append(texts, &of.Host, &of.Directory, &of.Identity, &of.KnownHosts)
	}
	for _, text := range texts {
		expanded, values, err := scope.Secrets.Expand(ctx, *text)
		if err != nil {
			return ripcord.Errorf(ripcord.CodePlan, "the password of the repository %s is not known: %w", s.place(), err).
				WithFix("make the secret available to this command, as in a release")
		}
		*text = expanded
		r.secrets = append(r.secrets, values...)
	}
	if s.Password == "" {
		return ripcord.Errorf(ripcord.CodePlan, "the password of the repository %s is empty", s.place())
	}
	r.password, r.secrets = s.Password, append(r.secrets, s.Password)
	for _, path := range s.paths() {
		if *path != "" && !filepath.IsAbs(*path) {
			*path = filepath.Join(scope.Directory, *path)
		}
	}
	r.set = *s
	return nil
}

// paths are those of this machine.
func (s *settings) paths() []*string {
	if s.SFTP != nil {
		return []*string{&s.SFTP.Identity, &s.SFTP.KnownHosts}
	}
	return []*string{&s.Directory}
}

// place is where the repository is, for people.
func (s *settings) place() string {
	switch {
	case s.S3 != nil:
		return "s3://" + s.S3.Bucket + "/" + s.S3.Prefix
	case s.SFTP != nil:
		return "sftp://" + s.SFTP.Host + s.SFTP.Directory
	}
	return s.Directory
}

// id names the repository in the state directory.
func (s *settings) id() string {
	sum := sha256.Sum256([]byte(s.place()))
	return hex.EncodeToString(sum[:8])
}

// connection is what kopia must know of the storage.
func (s *settings) connection() (blob.ConnectionInfo, error) {
	switch {
	case s.S3 != nil:
		endpoint := s.S3.Endpoint
		if endpoint == "" {
			endpoint = "s3.amazonaws.com"
		}
		return blob.ConnectionInfo{Type: "s3", Config: &s3.Options{
			BucketName: s.S3.Bucket, Prefix: s.S3.Prefix, Endpoint: endpoint, Region: s.S3.Region,
			AccessKeyID: s.S3.AccessKey, SecretAccessKey: s.S3.SecretKey, DoNotUseTLS: s.S3.Insecure,
		}}, nil
	case s.SFTP != nil:
		user, address, ok := strings.Cut(s.SFTP.Host, "@")
		if !ok {
			return blob.ConnectionInfo{}, fmt.Errorf("the host %q names no user", s.SFTP.Host)
		}
		host, port := address, 22
		if name, number, err := net.SplitHostPort(address); err == nil {
			host = name
			if port, err = strconv.Atoi(number); err != nil {
				return blob.ConnectionInfo{}, err
			}
		}
		return blob.ConnectionInfo{Type: "sftp", Config: &sftp.Options{
			Path: s.SFTP.Directory, Host: host, Port: port, Username: user, Keyfile: s.SFTP.Identity, KnownHostsFile: s.SFTP.KnownHosts,
		}}, nil
	}
	return blob.ConnectionInfo{Type: "filesystem", Config: &filesystem.Options{Path: s.Directory}}, nil
}

func (r *Repository) storage(ctx context.Context, create bool) (blob.Storage, error) {
	connection, err := r.set.connection()
	if err != nil {
		return nil, err
	}
	return blob.NewStorage(ctx, connection, create)
}
