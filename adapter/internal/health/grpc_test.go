package health_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	grpchealth "google.golang.org/grpc/health"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/ripcord-dev/ripcord"
	"github.com/ripcord-dev/ripcord/adapter/adaptertest"
	"github.com/ripcord-dev/ripcord/adapter/internal/health"
)

// serveGRPC starts a real server.
func serveGRPC(t *testing.T, register func(*grpc.Server), options ...grpc.ServerOption) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := grpc.NewServer(options...)
	register(server)
	go func() { _ = server.Serve(listener) }()
	t.Cleanup(server.Stop)
	return listener.Addr().String()
}

func standard(s *grpc.Server) {
	h := grpchealth.NewServer()
	h.SetServingStatus("shop.Orders", grpc_health_v1.HealthCheckResponse_SERVING)
	h.SetServingStatus("shop.Late", grpc_health_v1.HealthCheckResponse_NOT_SERVING)
	h.SetServingStatus("shop.Odd", grpc_health_v1.HealthCheckResponse_SERVICE_UNKNOWN)
	h.SetServingStatus("shop.Unsure", grpc_health_v1.HealthCheckResponse_UNKNOWN)
	grpc_health_v1.RegisterHealthServer(s, h)
}

// moody answers with a status, or not at all.
type moody struct {
	grpc_health_v1.UnimplementedHealthServer
}

func (moody) Check(ctx context.Context, q *grpc_health_v1.HealthCheckRequest) (*grpc_health_v1.HealthCheckResponse, error) {
	switch q.GetService() {
	case "hangs":
		<-ctx.Done()
	case "denied":
		return nil, status.Error(codes.PermissionDenied, "kein Zutritt: 100 % gesperrt\nzweite Zeile")
	case "odd":
		return &grpc_health_v1.HealthCheckResponse{Status: 9}, nil
	}
	return nil, status.Error(codes.Unavailable, "draining")
}

func TestGRPC(t *testing.T) {
	t.Parallel()
	at := serveGRPC(t, standard)
	strange := serveGRPC(t, func(s *grpc.Server) { grpc_health_v1.RegisterHealthServer(s, moody{}) })
	without := serveGRPC(t, func(*grpc.Server) {})
	web := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(web.Close)
	for _, test := range []struct {
		at, service, says string
	}{
		{at, "", ""},
		{at, "shop.Orders", ""},
		{at, "shop.Late", `NOT_SERVING: service "shop.Late" says that it is not ready`},
		{at, "shop.Odd", "SERVICE_UNKNOWN"},
		{at, "shop.Unsure", "UNKNOWN: the server does not know how"},
		{at, "shop.Oders", `NOT_FOUND: the server's health service knows no service "shop.Oders"`},
		{without, "", "UNIMPLEMENTED: the server has no health service"},
		{strange, "", "gRPC status UNAVAILABLE: draining"},
		{strange, "denied", "gRPC status PERMISSION_DENIED: kein Zutritt: 100 % gesperrt"},
		{strange, "odd", "state 9"},
		{strange, "hangs", "no answer within"},
		{web.Listener.Addr().String(), "", "gRPC in clear"},
		{"127.0.0.1:1", "", "connection refused"},
	} {
		t.Run(test.at+"/"+test.service, func(t *testing.T) {
			t.Parallel()
			set := health.Settings{GRPC: &health.GRPC{Address: test.at, Service: test.service}}
			if test.service == "hangs" {
				set.AttemptTimeout = ripcord.Duration(50 * time.Millisecond)
			}
			err := ask(t, set, nil)
			if test.says == "" && err != nil || test.says != "" && (err == nil || !strings.Contains(err.Error(), test.says)) {
				t.Errorf("said %v, want %q", err, test.says)
			}
		})
	}
}

// authority makes a certificate for 127.0.0.1 and grpc.test that vouches for itself.
func authority(t *testing.T, dir string) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	like := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "grpc.test"}, DNSNames: []string{"grpc.test"},
		NotBefore: now.Add(-time.Hour), NotAfter: now.Add(time.Hour), IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, like, like, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	data := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	if err := os.WriteFile(filepath.Join(dir, "ca.pem"), data, 0o600); err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

func TestGRPCOverTLS(t *testing.T) {
	t.Parallel()
	scope := adaptertest.NewScope(t)
	certificate := authority(t, scope.Directory)
	at := serveGRPC(t, standard, grpc.Creds(credentials.NewServerTLSFromCert(&certificate)))
	clear := serveGRPC(t, standard)
	if err := os.WriteFile(filepath.Join(scope.Directory, "empty.pem"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		at   string
		tls  *health.TLS
		says string
	}{
		"trusted":         {at, &health.TLS{Authority: "ca.pem", Name: "grpc.test"}, ""},
		"other name":      {at, &health.TLS{Authority: "ca.pem", Name: "shop.test"}, "certificate is valid for grpc.test, not shop.test"},
		"unknown issuer":  {at, &health.TLS{Name: "grpc.test"}, "certificate signed by unknown authority"},
		"no file":         {at, &health.TLS{Authority: "gone.pem"}, "its authority cannot be read"},
		"no certificate":  {at, &health.TLS{Authority: "empty.pem"}, "holds no certificate"},
		"asked in clear":  {at, nil, "if it wants TLS, add tls"},
		"server in clear": {clear, &health.TLS{Authority: "ca.pem", Name: "grpc.test"}, "does not speak TLS"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			err := askIn(t, health.Settings{GRPC: &health.GRPC{Address: test.at, TLS: test.tls}}, health.Asker{Scope: scope, Step: "ready"})
			if test.says == "" && err != nil || test.says != "" && (err == nil || !strings.Contains(err.Error(), test.says)) {
				t.Errorf("said %v, want %q", err, test.says)
			}
		})
	}
}

// TestGRPCOfTargets: instances that a release deploys are asked as well.
func TestGRPCOfTargets(t *testing.T) {
	t.Parallel()
	set := health.Settings{Targets: serveGRPC(t, standard), GRPC: &health.GRPC{Service: "shop.Late"}}
	err := ask(t, set, nil)
	if err == nil || !strings.Contains(err.Error(), "NOT_SERVING") {
		t.Fatal(err)
	}
	if err := set.Complete("check"); err != nil {
		t.Fatal(err)
	}
	if got, want := set.Describe(), set.Targets+` says over gRPC that service "shop.Late" is serving`; got != want {
		t.Errorf("described as %q, want %q", got, want)
	}
}

func TestGRPCRefused(t *testing.T) {
	t.Parallel()
	for want, set := range map[string]health.Settings{
		"does not say which server": {GRPC: &health.GRPC{}},
		"is not an address":         {GRPC: &health.GRPC{Address: "http://127.0.0.1:1"}},
		"more than one of":          {GRPC: &health.GRPC{Address: "127.0.0.1:1"}, Targets: "127.0.0.1:2"},
		"in more than one way":      {GRPC: &health.GRPC{}, Targets: "127.0.0.1:2", Path: "/x"},
	} {
		if err := set.Complete("check"); ripcord.CodeOf(err) != ripcord.CodePlan || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want %q", err, want)
		}
	}
}

// FuzzGRPCAnswer: what the real library reads, we read alike.
func FuzzGRPCAnswer(f *testing.F) {
	for n := range 5 {
		message, err := proto.Marshal(&grpc_health_v1.HealthCheckResponse{Status: grpc_health_v1.HealthCheckResponse_ServingStatus(n)})
		if err != nil {
			f.Fatal(err)
		}
		f.Add(append([]byte{0, 0, 0, 0, byte(len(message))}, message...))
	}
	f.Add([]byte{0, 0, 0, 0, 4, 0x12, 1, 'x', 0x08})
	f.Add([]byte{1, 0, 0, 0, 0})
	f.Fuzz(func(t *testing.T, frame []byte) {
		state, err := health.GRPCAnswer(frame)
		if err != nil {
			return
		}
		var theirs grpc_health_v1.HealthCheckResponse
		if proto.Unmarshal(frame[5:], &theirs) == nil && uint64(uint32(theirs.GetStatus())) != uint64(uint32(state)) {
			t.Fatalf("%x: read %d, the library reads %d", frame, state, theirs.GetStatus())
		}
	})
}
