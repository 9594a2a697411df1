package dataplane_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/websocket"

	"github.com/ripcord-dev/ripcord/adapter/adaptertest/port"
	"github.com/ripcord-dev/ripcord/adapter/proxy/dataplane"
)

// writeCertificate writes a self-signed certificate and its key into dir, and
// returns a pool that trusts it.
func writeCertificate(t *testing.T, dir, name string, from, until time.Time) (dataplane.TLS, *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, DNSNames: []string{name},
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, NotBefore: from, NotAfter: until,
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	encoded, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	files := dataplane.TLS{Certificate: filepath.Join(dir, "cert.pem"), Key: filepath.Join(dir, "key.pem")}
	pool := x509.NewCertPool()
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	pool.AppendCertsFromPEM(text)
	for path, data := range map[string][]byte{
		files.Certificate: text, files.Key: pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: encoded}),
	} {
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return files, pool
}

func freshCertificate(t *testing.T, dir, name string) (dataplane.TLS, *x509.CertPool) {
	t.Helper()
	return writeCertificate(t, dir, name, time.Now().Add(-time.Hour), time.Now().Add(time.Hour))
}

// over makes one request over TLS, with the versions given, on a connection of
// its own, and returns the protocol and the answer.
func over(pool *x509.CertPool, addr string, h2 bool, most uint16) (proto int, body string, err error) {
	config := &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS10, MaxVersion: most}
	transport := &http.Transport{TLSClientConfig: config, ForceAttemptHTTP2: h2, DisableKeepAlives: true}
	defer transport.CloseIdleConnections()
	response, err := (&http.Client{Transport: transport}).Get("https://" + addr + "/")
	if err != nil {
		return 0, "", err
	}
	defer func() { _ = response.Body.Close() }()
	data, err := io.ReadAll(response.Body)
	return response.ProtoMajor, string(data), err
}

// TestTLS: HTTP/1.1, HTTP/2 and WebSockets over TLS; a changed certificate is
// used without a restart, a broken one is not; and back to plain HTTP.
func TestTLS(t *testing.T) {
	t.Parallel()
	dir, addr := t.TempDir(), port.Address(t)
	files, pool := freshCertificate(t, dir, "first")
	_, c := startProxy(t, t.TempDir(), addr)
	put(t, c, side("blue", startTarget(t, "blue")))
	if _, err := c.SetRoute(t.Context(), dataplane.RouteChange{Side: "blue", Front: &dataplane.Front{TLS: &files}}); err != nil {
		t.Fatal(err)
	}
	for _, h2 := range []bool{false, true} {
		proto, body, err := over(pool, addr, h2, tls.VersionTLS13)
		if want := map[bool]int{false: 1, true: 2}[h2]; err != nil || proto != want || body != "blue GET 0" {
			t.Fatalf("h2 %t: HTTP/%d %s, %v", h2, proto, body, err)
		}
	}
	if _, _, err := over(pool, addr, false, tls.VersionTLS11); err == nil {
		t.Error("TLS 1.1 is taken")
	}
	config, err := websocket.NewConfig("wss://"+addr+"/ws", "https://"+addr)
	if err != nil {
		t.Fatal(err)
	}
	config.TlsConfig = &tls.Config{RootCAs: pool, NextProtos: []string{"http/1.1"}}
	ws, err := websocket.DialConfig(config)
	if err != nil {
		t.Fatalf("websocket: %v", err)
	}
	defer func() { _ = ws.Close() }()
	echo(t, []*websocket.Conn{ws})

	if err := os.WriteFile(files.Certificate, []byte("broken"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, next := freshCertificate(t, t.TempDir(), "other")
	if _, _, err := over(next, addr, false, 0); err == nil {
		t.Error("a strange certificate is trusted")
	}
	if _, _, err := over(pool, addr, false, 0); err != nil {
		t.Errorf("with a broken file: %v", err)
	}
	_, renewed := freshCertificate(t, dir, "second")
	eventually(t, "the new certificate is used", func() bool {
		_, _, err := over(renewed, addr, true, 0)
		return err == nil
	})
	status, err := c.Status(t.Context())
	if err != nil || status.Certificate == nil || status.Certificate.Problem != "" || status.Certificate.Names[0] != "second" {
		t.Errorf("%+v, %v", status.Certificate, err)
	}
	echo(t, []*websocket.Conn{ws})

	if _, err := c.SetRoute(t.Context(), dataplane.RouteChange{Side: "blue", Front: &dataplane.Front{}}); err != nil {
		t.Fatal(err)
	}
	if got := get(t, "http://"+addr+"/"); got != "blue GET 0" {
		t.Errorf("plain again: %s", got)
	}
}

// TestTLSRefuses: what clients could not use is refused in plain words.
func TestTLSRefuses(t *testing.T) {
	t.Parallel()
	now := time.Now()
	good, _ := freshCertificate(t, t.TempDir(), "good")
	other, _ := freshCertificate(t, t.TempDir(), "other")
	expired, _ := writeCertificate(t, t.TempDir(), "old", now.Add(-2*time.Hour), now.Add(-time.Hour))
	early, _ := writeCertificate(t, t.TempDir(), "early", now.Add(time.Hour), now.Add(2*time.Hour))
	_, c, _ := two(t)
	for want, files := range map[string]dataplane.TLS{
		"does not exist":   {Certificate: good.Certificate, Key: good.Key + ".not"},
		"does not belong":  {Certificate: good.Certificate, Key: other.Key},
		"has expired on":   expired,
		"not valid before": early,
		"cannot be used":   {Certificate: good.Key, Key: good.Key},
	} {
		err := files.Usable(now)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", want, err)
		}
		if _, err := c.SetRoute(t.Context(), dataplane.RouteChange{Side: "blue", Front: &dataplane.Front{TLS: &files}}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: the proxy says %v", want, err)
		}
	}
	if err := good.Usable(now); err != nil {
		t.Error(err)
	}
	// going back to what there was must not fail for a file.
	gone := dataplane.TLS{Certificate: "/does/not/exist", Key: "/does/not/exist"}
	if _, err := c.SetRoute(t.Context(), dataplane.RouteChange{Side: "blue", Force: true, Front: &dataplane.Front{TLS: &gone}}); err != nil {
		t.Errorf("by force: %v", err)
	}
}
