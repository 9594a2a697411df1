package service

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"strconv"
	"strings"

	"github.com/ripcord-dev/ripcord"
)

// Filler replaces references in texts and remembers the secrets among them.
type Filler struct {
	// Values are the secrets that were filled in.
	Values []string
	// Err is the first error; what follows it is empty.
	Err error

	ctx     context.Context //nolint:containedctx // lives for one call
	secrets ripcord.Secrets
	replace *strings.Replacer
}

// NewFiller returns the one of an instance that listens on an address, and whose
// release lies in folder.
func NewFiller(ctx context.Context, secrets ripcord.Secrets, address string, number int, folder string) *Filler {
	return &Filler{ctx: ctx, secrets: secrets, replace: strings.NewReplacer(
		"${instance.address}", address,
		"${instance.port}", strconv.Itoa(portOf(address)),
		"${instance.number}", strconv.Itoa(number),
		"${release.directory}", folder,
	)}
}

// In returns the text with all references replaced.
func (f *Filler) In(text string) string {
	if f.Err != nil {
		return ""
	}
	// Secrets come last: their values are taken as they are.
	expanded, values, err := f.secrets.Expand(f.ctx, f.replace.Replace(text))
	f.Values, f.Err = append(f.Values, values...), err
	return expanded
}

// Variable is one of an instance's environment.
type Variable struct{ Name, Value string }

// Variables are those that every instance finds, by name.
func Variables(scope ripcord.Scope, service, colour, address string, number int) []Variable {
	return []Variable{
		{OwnPrefix + "ADDRESS", address},
		{OwnPrefix + "APPLICATION", scope.Application},
		{OwnPrefix + "COLOUR", colour},
		{OwnPrefix + "ENVIRONMENT", scope.Environment},
		{OwnPrefix + "INSTANCE", strconv.Itoa(number)},
		{OwnPrefix + "RUN", string(scope.Run)},
		{OwnPrefix + "SERVICE", service},
		{OwnPrefix + "VERSION", scope.Version},
	}
}

// Digest stands for what was configured, with references in place of secrets.
func Digest(settings any) string {
	raw, err := json.Marshal(settings)
	if err != nil {
		return ""
	}
	sum := sha256.Sum256(raw)
	return hex.EncodeToString(sum[:6])
}
