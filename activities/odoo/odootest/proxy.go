package odootest

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"regexp"
	"sync"
	"testing"

	"waybill/activities/odoo"
)

// Proxy stands before any Odoo. It counts the calls made for each shipment, and loses replies after Odoo has
// done what was asked.
type Proxy struct {
	URL string

	mu    sync.Mutex
	calls map[string]int
	rule  func(shipment, model, method string) bool
	lost  int
	seen  int
}

// NewProxy starts a proxy for a test.
func NewProxy(t *testing.T, upstream string) *Proxy {
	t.Helper()
	p, h, err := ProxyTo(upstream)
	if err != nil {
		t.Fatal(err)
	}
	srv := httptest.NewServer(h)
	t.Cleanup(srv.Close)
	p.URL = srv.URL
	return p
}

// ProxyTo is the proxy as a handler, for whoever listens by himself.
func ProxyTo(upstream string) (*Proxy, http.Handler, error) {
	u, err := url.Parse(upstream)
	if err != nil {
		return nil, nil, err
	}
	p := &Proxy{calls: map[string]int{}}
	rp := httputil.NewSingleHostReverseProxy(u)
	rp.ModifyResponse = func(r *http.Response) error { return nil }
	return p, p.wrap(rp), nil
}

var called = regexp.MustCompile(`<string>([a-z_.]+)</string></value></param>\s*<param><value><string>([a-z_]+)</string>`)

func (p *Proxy) wrap(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return
		}
		r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
		var model, method string
		if m := called.FindSubmatch(body); m != nil {
			model, method = string(m[1]), string(m[2])
		}
		if !p.count(r.Header.Get(odoo.ShipmentHeader), model, method) {
			next.ServeHTTP(w, r)
			return
		}
		next.ServeHTTP(httptest.NewRecorder(), r) // done there, and nobody hears of it
		panic(http.ErrAbortHandler)
	})
}

// count notes a call and says whether its reply is to be lost.
func (p *Proxy) count(shipment, model, method string) (lose bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if shipment != "" {
		p.calls[shipment]++
	}
	if p.rule == nil || !p.rule(shipment, model, method) {
		return false
	}
	p.lost++
	return true
}

// Calls is how many calls were made for a shipment.
func (p *Proxy) Calls(shipment string) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.calls[shipment]
}

// Lost is how many replies were lost.
func (p *Proxy) Lost() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.lost
}

// LoseEvery loses every nth reply of a model's calls.
func (p *Proxy) LoseEvery(n int, model string) {
	p.Lose(func(_, m, _ string) bool {
		if m != model {
			return false
		}
		p.seen++
		return p.seen%n == 0
	})
}

// Lose sets the rule by which replies are lost, after Odoo has committed; nil for none. It is called for one
// call at a time.
func (p *Proxy) Lose(rule func(shipment, model, method string) bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.rule = rule
}
