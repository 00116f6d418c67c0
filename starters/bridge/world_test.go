package bridge_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"

	"waybill/internal/store"
	"waybill/starters/bridge"
	"waybill/starters/bridge/bridgetest"
	"waybill/starters/bridge/webhook"
)

// carrierSecret signs for the source carrier.
var carrierSecret = bridgetest.SecretOf("c")

// clock is the bridge's time; it stands still until it is moved.
type clock struct {
	mu sync.Mutex
	at time.Time
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}

func (c *clock) move(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = c.at.Add(d)
}

// ring is what a secret store answers; it can be changed while deliveries come.
type ring struct {
	mu      sync.Mutex
	secrets []string
	fault   error
}

func (r *ring) set(fault error, secrets ...string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.secrets, r.fault = secrets, fault
}

func (r *ring) keys() (ks []webhook.Key, _ error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, s := range r.secrets {
		k, err := webhook.ParseKey(s)
		if err != nil {
			return nil, err
		}
		ks = append(ks, k)
	}
	return ks, r.fault
}

// texts are the secrets as they are written.
func (r *ring) texts() ([]string, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.secrets), r.fault
}

// world is a bridge on a real inbox, behind a real listener.
type world struct {
	t       testing.TB
	clock   *clock
	file    string
	inbox   *store.Store
	carrier *ring
	logs    *observer.ObservedLogs
	metrics *prometheus.Registry
	bridge  *bridge.Bridge
	server  *httptest.Server
}

// newWorld starts a bridge with a source carrier; change alters its options.
func newWorld(t testing.TB, change ...func(*bridge.Options)) *world {
	t.Helper()
	core, logs := observer.New(zapcore.DebugLevel)
	w := &world{
		t: t, clock: &clock{at: time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)}, file: filepath.Join(t.TempDir(), "waybill.db"),
		carrier: &ring{secrets: []string{carrierSecret}}, logs: logs, metrics: prometheus.NewRegistry(),
	}
	var err error
	if w.inbox, err = store.Open(t.Context(), "sqlite:"+w.file); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = w.inbox.Close() })
	o := bridge.Options{Inbox: w.inbox, Sources: []bridge.Source{{Name: "carrier", Keys: w.carrier.keys}}, Log: zap.New(core), Metrics: w.metrics, Now: w.clock.now}
	for _, c := range change {
		c(&o)
	}
	if w.bridge, err = bridge.New(o); err != nil {
		t.Fatal(err)
	}
	w.server = w.listen(nil)
	return w
}

// listen puts the bridge behind its own server, with shorter time limits where limit sets them.
func (w *world) listen(limit func(*http.Server)) *httptest.Server {
	w.t.Helper()
	s := httptest.NewUnstartedServer(w.bridge)
	s.Config = bridge.Server(w.bridge, zap.NewNop())
	if limit != nil {
		limit(s.Config)
	}
	s.Start()
	w.t.Cleanup(s.Close)
	return s
}

// withSource adds a source that signs with a secret of its own.
func withSource(s bridge.Source, secrets ...string) func(*bridge.Options) {
	return func(o *bridge.Options) {
		s.Keys = (&ring{secrets: secrets}).keys
		o.Sources = append(o.Sources, s)
	}
}

// letter is one delivery as a partner sends it; what is not said is in order.
type letter struct {
	source, id, secret, body, media string
	at                              time.Time
	header                          func(http.Header)
	stream                          bool // without a length
}

func (w *world) request(l letter) *http.Request {
	w.t.Helper()
	or := func(s *string, otherwise string) {
		if *s == "" {
			*s = otherwise
		}
	}
	or(&l.source, "carrier")
	or(&l.id, "evt-1")
	or(&l.secret, carrierSecret)
	or(&l.body, delivered("acme-1042"))
	or(&l.media, "application/cloudevents+json")
	if l.at.IsZero() {
		l.at = w.clock.now()
	}
	var body io.Reader = strings.NewReader(l.body)
	if l.stream {
		body = io.MultiReader(body)
	}
	req, err := http.NewRequestWithContext(w.t.Context(), http.MethodPost, w.server.URL+"/v1/events/"+l.source, body)
	if err != nil {
		w.t.Fatal(err)
	}
	req.Header.Set("Content-Type", l.media)
	if err := webhook.Stamp(req.Header, l.secret, l.id, l.at, []byte(l.body)); err != nil {
		w.t.Fatal(err)
	}
	if l.header != nil {
		l.header(req.Header)
	}
	return req
}

// answer is what the bridge said.
type answer struct {
	status  int
	last    bool // the connection closes after it
	header  http.Header
	body    string
	receipt struct {
		ID     string
		Repeat bool
	}
	problem struct {
		Type, Title, Detail, Instance string
		Status                        int
		Errors                        []struct{ Pointer, Detail string }
	}
}

// do sends a request as the partner's program would.
func (w *world) do(req *http.Request) answer {
	w.t.Helper()
	a, err := try(req)
	if err != nil {
		w.t.Fatal(err)
	}
	return a
}

func try(req *http.Request) (a answer, err error) {
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return a, err
	}
	return read(resp)
}

func read(resp *http.Response) (a answer, err error) {
	defer func() { _ = resp.Body.Close() }()
	var b bytes.Buffer
	if _, err := b.ReadFrom(resp.Body); err != nil {
		return a, err
	}
	a.status, a.header, a.body, a.last = resp.StatusCode, resp.Header, b.String(), resp.Close
	switch resp.Header.Get("Content-Type") {
	case "application/problem+json":
		err = json.Unmarshal(b.Bytes(), &a.problem)
		if err == nil && (a.problem.Status != a.status || a.problem.Type == "" || a.problem.Title == "" || a.problem.Detail == "") {
			err = fmt.Errorf("not a whole problem document: %s", a.body)
		}
	case "application/json":
		if a.status != http.StatusAccepted {
			break
		}
		err = json.Unmarshal(b.Bytes(), &a.receipt)
	}
	return a, err
}

func (w *world) send(l letter) answer {
	w.t.Helper()
	return w.do(w.request(l))
}

// want fails unless an answer has a status.
func (a answer) want(t testing.TB, status int) answer {
	t.Helper()
	if a.status != status {
		t.Fatalf("answered %d, want %d: %s", a.status, status, a.body)
	}
	return a
}

// kept are the deliveries in the inbox, oldest first.
func (w *world) kept(state store.DeliveryState) []store.Delivery {
	w.t.Helper()
	ds, err := w.inbox.Deliveries(w.t.Context(), state, "", 100_000)
	if err != nil {
		w.t.Fatal(err)
	}
	for i, j := 0, len(ds)-1; i < j; i, j = i+1, j-1 {
		ds[i], ds[j] = ds[j], ds[i]
	}
	return ds
}

// logged are the entries of one event.
func (w *world) logged(event string) []observer.LoggedEntry { return w.logs.FilterMessage(event).All() }

// dial opens a connection on which a test writes bytes by itself.
func dial(t testing.TB, url string) net.Conn {
	t.Helper()
	var d net.Dialer
	c, err := d.DialContext(t.Context(), "tcp", strings.TrimPrefix(url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// half writes a request's head and so much of its body, announcing all of it.
func half(t testing.TB, c net.Conn, req *http.Request, body string, sent int) {
	t.Helper()
	var b bytes.Buffer
	fmt.Fprintf(&b, "%s %s HTTP/1.1\r\nHost: bridge\r\nContent-Length: %d\r\n", req.Method, req.URL.RequestURI(), len(body))
	if err := req.Header.Write(&b); err != nil {
		t.Fatal(err)
	}
	fmt.Fprintf(&b, "\r\n%s", body[:sent])
	if _, err := c.Write(b.Bytes()); err != nil {
		t.Fatal(err)
	}
}

// delivered is an event of our own schema.
func delivered(shipment string) string {
	return milestone(shipment, `"milestone":"delivered","occurredAt":"2026-11-24T11:30:00Z","carrier":"FASTFRT"`)
}

func milestone(shipment, data string) string {
	return fmt.Sprintf(`{"specversion":"1.0","id":"e1","source":"urn:test:carrier","type":"com.waybill.shipment.milestone.v1","subject":"shipment/%s","data":{%s}}`, shipment, data)
}

func invoice(total string, lines ...string) string {
	return fmt.Sprintf(`{"specversion":"1.0","id":"e2","source":"urn:test:carrier","type":"com.waybill.shipment.charges.v1","subject":"shipment/acme-1042","data":{"carrier":"FASTFRT","occurredAt":"2026-11-24T11:30:00Z","invoice":{"number":"C-1","total":%s,"lines":[%s]}}}`,
		total, strings.Join(lines, ","))
}

func money(number, currency string) string {
	return fmt.Sprintf(`{"number":%q,"currency":%q}`, number, currency)
}

func line(n, number, currency string) string {
	return fmt.Sprintf(`{"line":%q,"code":"linehaul","amount":%s}`, n, money(number, currency))
}

// proof is an event with a document of so many bytes.
func proof(size int) string {
	content := base64.StdEncoding.EncodeToString(bytes.Repeat([]byte{'x'}, size))
	return milestone("acme-1042", `"milestone":"document_received","occurredAt":"2026-11-24T11:30:00Z","documents":[{"kind":"pod","mediaType":"application/pdf","content":"`+content+`"}]`)
}

var errUnreadable = errors.New("secrets[0]: no such file")

func get(t testing.TB, url string) answer {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	a, err := try(req)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// metric is the sum of a metric's series that have these labels.
func (w *world) metric(name string, labels ...string) (sum float64) {
	w.t.Helper()
	families, err := w.metrics.Gather()
	if err != nil {
		w.t.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() != name {
			continue
		}
		for _, m := range f.GetMetric() {
			has := map[string]bool{}
			for _, l := range m.GetLabel() {
				has[l.GetName()+"="+l.GetValue()] = true
			}
			all := true
			for _, l := range labels {
				all = all && has[l]
			}
			if all {
				sum += m.GetCounter().GetValue() + m.GetGauge().GetValue()
			}
		}
	}
	return sum
}
