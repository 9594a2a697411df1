package health

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"os"
	"path/filepath"
)

// trust reads what an encrypted connection is checked against, anew each time:
// the file may be renewed while a watch goes on.
func (k Asker) trust(set *TLS) (*tls.Config, error) {
	config := &tls.Config{MinVersion: tls.VersionTLS12, ServerName: set.Name}
	if set.Authority == "" {
		return config, nil
	}
	path := set.Authority
	if !filepath.IsAbs(path) {
		path = filepath.Join(k.Scope.Directory, path)
	}
	data, err := os.ReadFile(path) //nolint:gosec // G304: the plan names the file
	if err != nil {
		return nil, &AnswerError{Text: fmt.Sprintf("its authority cannot be read: %v", err), err: err}
	}
	config.RootCAs = x509.NewCertPool()
	if !config.RootCAs.AppendCertsFromPEM(data) {
		return nil, &AnswerError{Text: set.Authority + " holds no certificate in PEM form"}
	}
	return config, nil
}
