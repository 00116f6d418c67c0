package bridge_test

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"waybill/internal/store"
	"waybill/starters/bridge"
	"waybill/starters/bridge/bridgetest"
)

// serving is a bridge that serves until it is stopped.
type serving struct {
	url  string
	stop context.CancelFunc
	done chan error
}

func (w *world) serve(o bridge.Listening, drain time.Duration) *serving {
	w.t.Helper()
	ctx, stop := context.WithCancel(w.t.Context())
	o.Address = "127.0.0.1:0"
	l, err := bridge.Listen(ctx, o)
	if err != nil {
		w.t.Fatal(err)
	}
	s := &serving{url: "http://" + l.Addr().String(), stop: stop, done: make(chan error, 1)}
	go func() { s.done <- w.bridge.Serve(ctx, l, drain) }()
	w.t.Cleanup(stop)
	return s
}

// answerOn reads the answer to what was written on a connection.
func answerOn(t testing.TB, c net.Conn) answer {
	t.Helper()
	if err := c.SetReadDeadline(time.Now().Add(30 * time.Second)); err != nil {
		t.Fatal(err)
	}
	resp, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		t.Fatal(err)
	}
	a, err := read(resp)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func TestShutdownSaysNotReadyFirstAndEndsWhatIsUnderWay(t *testing.T) {
	w := newWorld(t)
	s := w.serve(bridge.Listening{}, time.Second)
	w.server.URL = s.url
	l := letter{body: delivered("acme-1042")}
	c := dial(t, s.url)
	half(t, c, w.request(l), l.body, 20)
	get(t, s.url+"/readyz").want(t, http.StatusNoContent)
	s.stop()
	bridgetest.Until(t, "not ready while it still listens", func() bool { return get(t, s.url+"/readyz").status == http.StatusServiceUnavailable })
	a := w.send(letter{id: "evt-late", body: delivered("acme-7")}).want(t, http.StatusAccepted) // the load balancer may not have looked yet
	if !a.last {
		t.Error("the sender is not told to open another connection")
	}
	bridgetest.Until(t, "the listener is closed", func() bool {
		var d net.Dialer
		c, err := d.DialContext(t.Context(), "tcp", strings.TrimPrefix(s.url, "http://"))
		if err == nil {
			_ = c.Close()
		}
		return err != nil
	})
	select {
	case err := <-s.done:
		t.Fatalf("it ended (%v) while a delivery was under way", err)
	default:
	}
	if _, err := c.Write([]byte(l.body[20:])); err != nil {
		t.Fatal(err)
	}
	answerOn(t, c).want(t, http.StatusAccepted)
	if err := <-s.done; err != nil {
		t.Error(err)
	}
	if n := len(w.kept(store.Pending)); n != 2 {
		t.Errorf("%d are kept, want 2", n)
	}
}

// cutOff reports whether the other side closes a connection.
func cutOff(t *testing.T, c net.Conn) bool {
	t.Helper()
	if err := c.SetReadDeadline(time.Now().Add(20 * time.Second)); err != nil {
		t.Fatal(err)
	}
	_, err := io.Copy(io.Discard, c)
	return err == nil // io.EOF
}

func TestSenderWhoDawdlesIsCutOff(t *testing.T) {
	w := newWorld(t)
	s := w.listen(func(s *http.Server) { s.ReadHeaderTimeout, s.ReadTimeout = 100*time.Millisecond, 200*time.Millisecond })
	w.server = s
	t.Run("over its headers", func(t *testing.T) {
		c := dial(t, s.URL)
		if _, err := c.Write([]byte("POST /v1/events/carrier HTTP/1.1\r\nHost: x\r\nX-Slow: ")); err != nil {
			t.Fatal(err)
		}
		if !cutOff(t, c) {
			t.Error("the connection stays open")
		}
	})
	t.Run("over its body", func(t *testing.T) {
		l := letter{body: delivered("acme-1042")}
		c := dial(t, s.URL)
		half(t, c, w.request(l), l.body, 20)
		a := answerOn(t, c).want(t, http.StatusRequestTimeout)
		if !strings.Contains(a.problem.Detail, "10 seconds") {
			t.Error(a.problem.Detail)
		}
	})
	w.send(letter{}).want(t, http.StatusAccepted)
}

func TestBodyThatBreaksOffIsNotCalledTooLarge(t *testing.T) {
	w := newWorld(t)
	l := letter{body: delivered("acme-1042")}
	c := dial(t, w.server.URL)
	half(t, c, w.request(l), l.body, 20)
	if err := c.(*net.TCPConn).CloseWrite(); err != nil {
		t.Fatal(err)
	}
	if a := answerOn(t, c).want(t, http.StatusBadRequest); a.problem.Type != "urn:waybill:problem:broken-off" {
		t.Errorf("called %s", a.problem.Type)
	}
}

func TestHeadersOverSixteenKiBAreRefused(t *testing.T) {
	w := newWorld(t)
	a := w.send(letter{header: func(h http.Header) { h.Set("X-Large", strings.Repeat("a", 24<<10)) }})
	a.want(t, http.StatusRequestHeaderFieldsTooLarge)
}

func TestConnectionsOverTheLimitWaitToBeLetIn(t *testing.T) {
	w := newWorld(t)
	s := w.serve(bridge.Listening{Connections: 1}, 0)
	first, second := dial(t, s.url), dial(t, s.url)
	if _, err := second.Write([]byte("GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")); err != nil {
		t.Fatal(err)
	}
	if err := second.SetReadDeadline(time.Now().Add(200 * time.Millisecond)); err != nil {
		t.Fatal(err)
	}
	if _, err := second.Read(make([]byte, 1)); err == nil {
		t.Fatal("the second is served beside the first")
	}
	_ = first.Close()
	answerOn(t, second).want(t, http.StatusNoContent)
}

// certificate writes a certificate of 127.0.0.1 under a serial number, and returns a client's trust in it.
func certificate(t *testing.T, dir string, serial int64) (certFile, keyFile string, trust *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c := &x509.Certificate{SerialNumber: big.NewInt(serial), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true}
	der, err := x509.CreateCertificate(rand.Reader, c, c, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	certFile, keyFile, trust = filepath.Join(dir, "tls.crt"), filepath.Join(dir, "tls.key"), x509.NewCertPool()
	for file, block := range map[string]*pem.Block{keyFile: {Type: "PRIVATE KEY", Bytes: private}, certFile: {Type: "CERTIFICATE", Bytes: der}} {
		if err := os.WriteFile(file, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	at := time.Now().Add(time.Duration(serial) * time.Second) // a renewal a second later, on any file system
	if err := os.Chtimes(certFile, at, at); err != nil {
		t.Fatal(err)
	}
	parsed, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	trust.AddCert(parsed)
	return certFile, keyFile, trust
}

func TestTLSServesARenewedCertificateWithoutARestart(t *testing.T) {
	w := newWorld(t)
	dir := t.TempDir()
	certFile, keyFile, trust := certificate(t, dir, 1)
	cert, err := bridge.LoadCertificate(certFile, keyFile, zap.NewNop())
	if err != nil {
		t.Fatal(err)
	}
	s := w.serve(bridge.Listening{TLS: cert}, 0)
	address := strings.TrimPrefix(s.url, "http://")
	serial := func(trust *x509.CertPool) int64 {
		c, err := (&tls.Dialer{Config: &tls.Config{RootCAs: trust, MinVersion: tls.VersionTLS12}}).DialContext(t.Context(), "tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = c.Close() }()
		return c.(*tls.Conn).ConnectionState().PeerCertificates[0].SerialNumber.Int64()
	}
	if got := serial(trust); got != 1 {
		t.Errorf("served number %d", got)
	}
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: trust, MinVersion: tls.VersionTLS12}}}
	req := w.request(letter{})
	req.URL.Scheme, req.URL.Host = "https", address
	resp, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	a, err := read(resp)
	if err != nil {
		t.Fatal(err)
	}
	a.want(t, http.StatusAccepted)
	_, _, renewed := certificate(t, dir, 2)
	if got := serial(renewed); got != 2 {
		t.Errorf("served number %d after the renewal", got)
	}
	if err := os.Remove(certFile); err != nil {
		t.Fatal(err)
	}
	if got := serial(renewed); got != 2 {
		t.Errorf("served number %d while the file is gone", got)
	}
	old := &tls.Dialer{Config: &tls.Config{RootCAs: renewed, MaxVersion: tls.VersionTLS11, MinVersion: tls.VersionTLS10}} //nolint:gosec // what must be refused
	if c, err := old.DialContext(t.Context(), "tcp", address); err == nil {
		_ = c.Close()
		t.Error("TLS 1.1 is spoken")
	}
}

func TestCertificateThatCannotBeReadIsNamed(t *testing.T) {
	_, err := bridge.LoadCertificate("/nowhere/tls.crt", "/nowhere/tls.key", zap.NewNop())
	if err == nil || !strings.Contains(err.Error(), "/nowhere/tls.crt") {
		t.Error(err)
	}
}

func TestRequestsAreNamedForQuestions(t *testing.T) {
	w := newWorld(t)
	given := func(id string) letter {
		return letter{secret: bridgetest.SecretOf("x"), header: func(h http.Header) { h.Set("X-Request-Id", id) }}
	}
	if a := w.send(given("proxy-7.a_b")); a.header.Get("X-Request-Id") != "proxy-7.a_b" || a.problem.Instance != "urn:waybill:request:proxy-7.a_b" {
		t.Errorf("named %q, %q", a.header.Get("X-Request-Id"), a.problem.Instance)
	}
	first, second := w.send(given("<b>")).header.Get("X-Request-Id"), w.send(letter{}).header.Get("X-Request-Id")
	if len(first) < 20 || first == second {
		t.Errorf("our own names are %q and %q", first, second)
	}
}

// secretsOf are texts that must not be logged.
func secretsOf(l letter) []string {
	return []string{"FASTFRT", "R. Receiver", "JVBERi0", carrierSecret, strings.TrimPrefix(carrierSecret, "whsec_"), "token of sixteen", "token+of+sixteen", "v1,", l.body}
}

func TestLogHoldsIDsAndNeverPayloadsOrSecrets(t *testing.T) {
	w := newWorld(t, withToken(hintToken, nil), func(o *bridge.Options) { o.Sources[0].PerSecond, o.Sources[0].Burst = 1, 5 })
	l := letter{id: "evt-77", body: milestone("acme-1042", `"milestone":"document_received","occurredAt":"2026-11-24T11:30:00Z","carrier":"FASTFRT","documents":[{"kind":"pod","mediaType":"application/pdf","content":"JVBERi0=","signer":"R. Receiver"}]`)}
	w.send(l).want(t, http.StatusAccepted)
	w.send(letter{id: "evt-77", body: delivered("acme-7")}).want(t, http.StatusConflict)
	w.send(letter{id: "evt-78", body: strings.Replace(l.body, "document_received", "nope", 1)}).want(t, http.StatusUnprocessableEntity)
	w.send(letter{id: "evt-79", secret: bridgetest.SecretOf("x")}).want(t, http.StatusUnauthorized)
	w.hint(rightToken, order(17, "")).want(t, http.StatusAccepted)
	w.hint("?token=wrong", order(17, "")).want(t, http.StatusUnauthorized)
	var b strings.Builder
	enc := zapcore.NewJSONEncoder(zap.NewProductionEncoderConfig())
	for _, e := range w.logs.All() {
		line, err := enc.EncodeEntry(e.Entry, e.Context)
		if err != nil {
			t.Fatal(err)
		}
		b.WriteString(line.String())
	}
	for _, s := range secretsOf(l) {
		if strings.Contains(b.String(), s) {
			t.Errorf("the log holds %q", s)
		}
	}
	requests := w.logged("request")
	if len(requests) != 6 {
		t.Fatalf("%d requests are logged, want 6", len(requests))
	}
	first := requests[0].ContextMap()
	for key, want := range map[string]any{"source": "carrier", "delivery": "evt-77", "status": int64(202), "outcome": "accepted", "path": "/v1/events/carrier", "method": "POST", "bytes": int64(len(l.body))} {
		if first[key] != want {
			t.Errorf("%s is logged as %v, want %v", key, first[key], want)
		}
	}
	if got := requests[3].ContextMap()["delivery"]; got != "" {
		t.Errorf("the log takes the word of a stranger: %v", got)
	}
}

func TestStrangerMakesNoSeries(t *testing.T) {
	w := newWorld(t)
	series := func() (n int) {
		fs, err := w.metrics.Gather()
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range fs {
			n += len(f.GetMetric())
		}
		return n
	}
	w.send(letter{source: "nobody"}).want(t, http.StatusUnauthorized)
	before := series()
	for i := range 50 {
		w.send(letter{source: fmt.Sprint("nobody-", i), id: fmt.Sprint("evt-", i)}).want(t, http.StatusUnauthorized)
	}
	if after := series(); after != before {
		t.Errorf("%d series have become %d", before, after)
	}
	if got := w.metric("waybill_ingest_events_total", "source=unknown", "outcome=401"); got != 51 {
		t.Errorf("counted %v", got)
	}
}

func TestSchemaIsServedAsItIsUsed(t *testing.T) {
	w := newWorld(t)
	a := get(t, w.server.URL+"/v1/schemas/event.json").want(t, http.StatusOK)
	onDisk, err := os.ReadFile("schemas/event.json")
	if err != nil {
		t.Fatal(err)
	}
	if a.body != string(onDisk) || a.header.Get("Content-Type") != "application/schema+json" || !json.Valid([]byte(a.body)) {
		t.Errorf("served %d bytes of %s", len(a.body), a.header.Get("Content-Type"))
	}
}
