package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"waybill/internal/store"
	"waybill/starters/bridge/bridgetest"
	"waybill/starters/bridge/webhook"
)

// house is a folder with a configuration, a store and secrets.
type house struct {
	t    *testing.T
	dir  string
	file string
}

// newHouse writes a configuration; more is added to its bridge section.
func newHouse(t *testing.T, listen, more string) *house {
	t.Helper()
	h := &house{t: t, dir: t.TempDir()}
	h.file = h.write("waybill.yaml", fmt.Sprintf(`store: {url: "sqlite:%s/waybill.db"}
bridge:
  listen: %q
  drain: 300ms
  sources: [{name: carrier, owner: transport, secrets: ["file:%s/carrier"]}]
%s
log: {level: error, format: json}
`, h.dir, listen, h.dir, more))
	h.write("carrier", bridgetest.SecretOf("c")+"\n")
	return h
}

func (h *house) write(name, text string) string {
	h.t.Helper()
	path := filepath.Join(h.dir, name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		h.t.Fatal(err)
	}
	return path
}

// run starts the command in this process and waits until it listens.
func (h *house) run() (url string, stop context.CancelFunc, done chan error) {
	h.t.Helper()
	ctx, stop := context.WithCancel(h.t.Context())
	out, in := io.Pipe()
	done = make(chan error, 1)
	go func() {
		done <- run(ctx, []string{"--config", h.file}, in)
		_ = in.Close()
	}()
	h.t.Cleanup(stop)
	return "http://" + listening(h.t, out), stop, done
}

// listening reads where a bridge says it listens.
func listening(t *testing.T, out io.Reader) string {
	t.Helper()
	line, err := bufio.NewReader(out).ReadString('\n')
	address, ok := strings.CutPrefix(strings.TrimSpace(line), "listening on ")
	if err != nil || !ok {
		t.Fatalf("it said %q, %v", line, err)
	}
	return address
}

func event(shipment int) []byte {
	return fmt.Appendf(nil, `{"specversion":"1.0","id":"e1","source":"urn:test","type":"com.waybill.shipment.milestone.v1","subject":"shipment/acme-%d","data":{"milestone":"delivered","occurredAt":%q}}`,
		shipment, time.Now().UTC().Format(time.RFC3339))
}

// deliver sends an event and returns the status: 0 for no answer.
func deliver(ctx context.Context, url, id, secret string, body []byte) (int, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url+"/v1/events/carrier", bytes.NewReader(body))
	if err != nil {
		return 0, err
	}
	req.Header.Set("Content-Type", "application/cloudevents+json")
	if err := webhook.Stamp(req.Header, secret, id, time.Now(), body); err != nil {
		return 0, err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, err
	}
	_, _ = io.Copy(io.Discard, resp.Body) // the status is what counts
	return resp.StatusCode, resp.Body.Close()
}

func (h *house) want(status int, url, id, secret string) {
	h.t.Helper()
	got, err := deliver(h.t.Context(), url, id, secret, event(1))
	if err != nil || got != status {
		h.t.Errorf("%s: answered %d, %v; want %d", id, got, err, status)
	}
}

func (h *house) kept() []store.Delivery {
	h.t.Helper()
	s, err := store.Open(h.t.Context(), "sqlite:"+h.dir+"/waybill.db")
	if err != nil {
		h.t.Fatal(err)
	}
	defer func() { _ = s.Close() }()
	ds, err := s.Deliveries(h.t.Context(), "", "", 1_000_000)
	if err != nil {
		h.t.Fatal(err)
	}
	return ds
}

func status(t *testing.T, url string) int {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0
	}
	_ = resp.Body.Close()
	return resp.StatusCode
}

func TestRunTakesDeliveriesAndDrains(t *testing.T) {
	h := newHouse(t, "127.0.0.1:0", "")
	url, stop, done := h.run()
	h.want(http.StatusAccepted, url, "evt-1", bridgetest.SecretOf("c"))
	h.want(http.StatusUnauthorized, url, "evt-2", bridgetest.SecretOf("x"))
	if got := status(t, url+"/readyz"); got != http.StatusNoContent {
		t.Errorf("ready: %d", got)
	}
	c, body := underWay(t, url)
	stop()
	drains(t, url, c, body)
	if err := <-done; err != nil {
		t.Error(err)
	}
	if n := len(h.kept()); n != 2 {
		t.Errorf("%d are kept, want 2", n)
	}
}

// underWay begins a delivery and returns what is left of it.
func underWay(t *testing.T, url string) (c net.Conn, rest []byte) {
	t.Helper()
	var d net.Dialer
	c, err := d.DialContext(t.Context(), "tcp", strings.TrimPrefix(url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	body, head := event(2), http.Header{"Content-Type": {"application/json"}}
	if err := webhook.Stamp(head, bridgetest.SecretOf("c"), "evt-under-way", time.Now(), body); err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	fmt.Fprintf(&b, "POST /v1/events/carrier HTTP/1.1\r\nHost: bridge\r\nContent-Length: %d\r\n", len(body))
	_ = head.Write(&b) // a buffer does not fail
	fmt.Fprintf(&b, "\r\n%s", body[:10])
	if _, err := c.Write(b.Bytes()); err != nil {
		t.Fatal(err)
	}
	return c, body[10:]
}

// drains holds that a bridge that was told to end says so first, then stops listening, and answers what is under way.
func drains(t *testing.T, url string, c net.Conn, rest []byte) {
	t.Helper()
	bridgetest.Until(t, "not ready while it listens", func() bool { return status(t, url+"/readyz") == http.StatusServiceUnavailable })
	bridgetest.Until(t, "no longer listening", func() bool { return status(t, url+"/healthz") == 0 })
	if _, err := c.Write(rest); err != nil {
		t.Fatal(err)
	}
	resp, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil || resp.StatusCode != http.StatusAccepted {
		t.Fatalf("the delivery under way: %v, %v", resp, err)
	}
	_ = resp.Body.Close()
}

func TestSecretFileIsRotatedWithoutARestart(t *testing.T) {
	h := newHouse(t, "127.0.0.1:0", "")
	url, _, _ := h.run()
	h.want(http.StatusAccepted, url, "evt-1", bridgetest.SecretOf("c"))
	h.write("carrier", bridgetest.SecretOf("n")+"\n"+bridgetest.SecretOf("c")+"\n")
	h.want(http.StatusAccepted, url, "evt-2", bridgetest.SecretOf("c"))
	h.want(http.StatusAccepted, url, "evt-3", bridgetest.SecretOf("n"))
	h.write("carrier", bridgetest.SecretOf("n")+"\n")
	h.want(http.StatusUnauthorized, url, "evt-4", bridgetest.SecretOf("c"))
	h.want(http.StatusAccepted, url, "evt-5", bridgetest.SecretOf("n"))
	if err := os.Remove(filepath.Join(h.dir, "carrier")); err != nil {
		t.Fatal(err)
	}
	h.want(http.StatusServiceUnavailable, url, "evt-6", bridgetest.SecretOf("n"))
}

func TestMetricsAreServedOnTheirOwnAddress(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	_ = l.Close()
	h := newHouse(t, "127.0.0.1:0", "  metrics_listen: "+address)
	url, _, _ := h.run()
	h.want(http.StatusAccepted, url, "evt-1", bridgetest.SecretOf("c"))
	bridgetest.Until(t, "metrics", func() bool { return status(t, "http://"+address+"/metrics") == http.StatusOK })
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+address+"/metrics", nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	text, err := io.ReadAll(resp.Body)
	if err != nil || !bytes.Contains(text, []byte(`waybill_ingest_events_total{outcome="accepted",source="carrier"} 1`)) {
		t.Errorf("%v\n%s", err, text)
	}
	if got := status(t, url+"/metrics"); got != http.StatusNotFound {
		t.Errorf("the public address answers /metrics with %d", got)
	}
}

func TestCheckProvesStoreAndSecrets(t *testing.T) {
	h := newHouse(t, "127.0.0.1:0", "")
	var out bytes.Buffer
	if err := run(t.Context(), []string{"--config", h.file, "--check"}, &out); err != nil || out.String() != "everything is in place\n" {
		t.Errorf("%q, %v", out.String(), err)
	}
}

func TestExampleConfigurationNeedsOnlyItsSecrets(t *testing.T) {
	file, err := filepath.Abs("../../config/example.yaml")
	if err != nil {
		t.Fatal(err)
	}
	t.Chdir(t.TempDir()) // where its store would be
	err = run(t.Context(), []string{"--config", file, "--check"}, io.Discard)
	if err == nil || !strings.Contains(err.Error(), "TMS_WEBHOOK_SECRET") || !strings.Contains(err.Error(), "HINT_TOKEN") {
		t.Errorf("without them: %v", err)
	}
	t.Setenv("TMS_WEBHOOK_SECRET", bridgetest.SecretOf("t"))
	t.Setenv("PARCELS_WEBHOOK_SECRET", "agreed")
	t.Setenv("HINT_TOKEN", "hint")
	if err := run(t.Context(), []string{"--config", file, "--check"}, io.Discard); err != nil {
		t.Errorf("with them: %v", err)
	}
}

func TestCheckNamesAllThatIsMissingAndNoSecret(t *testing.T) {
	h := newHouse(t, "127.0.0.1:0", "")
	h.write("blocked", "")
	h.write("weak", "whsec_c2hvcnQ=")
	h.write("four", strings.Repeat(bridgetest.SecretOf("a")+"\n", 4))
	h.write("empty", "\n")
	h.write("waybill.yaml", fmt.Sprintf(`store: {url: "sqlite:%[1]s/blocked/waybill.db"}
bridge:
  hint_token: "env:NOBODY_SETS_THIS"
  tls: {cert_file: %[1]s/tls.crt, key_file: %[1]s/tls.key}
  sources:
    - {name: gone, owner: o, secrets: ["file:%[1]s/carrier", "file:%[1]s/gone"]}
    - {name: weak, owner: o, secrets: ["file:%[1]s/weak"]}
    - {name: plain, owner: o, secrets: ["%[2]s"]}
    - {name: four, owner: o, secrets: ["file:%[1]s/four"]}
    - {name: empty, owner: o, secrets: ["file:%[1]s/empty"]}
`, h.dir, "sesame"))
	err := run(t.Context(), []string{"--config", h.file, "--check"}, io.Discard)
	if err == nil {
		t.Fatal("nothing is missing")
	}
	for _, want := range []string{"blocked", "bridge.sources[0].secrets[1] of gone", "bridge.sources[1].secrets[0] of weak", "bridge.sources[2].secrets[0] of plain", "bridge.sources[3].secrets of four: 4 are live",
		"bridge.sources[4].secrets[0] of empty: secret: file ", "bridge.hint_token: secret: environment variable NOBODY_SETS_THIS", "tls.crt"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q is not named in:\n%v", want, err)
		}
	}
	for _, secret := range []string{"sesame", "c2hvcnQ", bridgetest.SecretOf("a"), bridgetest.SecretOf("c")} {
		if strings.Contains(err.Error(), secret) {
			t.Errorf("a secret is printed:\n%v", err)
		}
	}
}

func TestWrongConfigurationNamesEveryFaultAtOnce(t *testing.T) {
	h := newHouse(t, "127.0.0.1:0", "")
	h.write("waybill.yaml", `store: {url: "mysql:x"}
bridge:
  listen: nowhere
  tls: {cert_file: a.pem}
  max_connections: 1
  drain: 2h
  metrics_listen: nowhere
  sources:
    - {name: Carrier, secrets: [a, b, c, d], per_second: -1}
    - {name: tms, owner: o, secrets: [a]}
    - {name: tms, owner: o, secrets: []}
    - {name: odoo-hint, owner: o, secrets: [a]}
log: {level: loud, format: xml}
`)
	err := run(t.Context(), []string{"--config", h.file}, io.Discard)
	if err == nil {
		t.Fatal("it runs")
	}
	for _, want := range []string{"store.url", "bridge.listen", "bridge.tls", "bridge.max_connections", "bridge.drain", "bridge.metrics_listen", "bridge.sources[0].name", "bridge.sources[0].secrets", "bridge.sources[0].owner",
		"bridge.sources[0].per_second", "bridge.sources[2].name", "bridge.sources[2].secrets", "bridge.sources[3].name", "log.level", "log.format"} {
		if !strings.Contains(err.Error(), want+":") {
			t.Errorf("%s is not named in:\n%v", want, err)
		}
	}
	h.write("waybill.yaml", "bridge: {lisen: x}\n")
	if err := run(t.Context(), []string{"--config", h.file}, io.Discard); err == nil || !strings.Contains(err.Error(), "lisen") {
		t.Errorf("a key that is not known: %v", err)
	}
}

func TestAddressThatIsTakenIsNamed(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	h := newHouse(t, l.Addr().String(), "")
	if err := run(t.Context(), []string{"--config", h.file}, io.Discard); err == nil || !strings.Contains(err.Error(), l.Addr().String()) {
		t.Errorf("%v", err)
	}
}
