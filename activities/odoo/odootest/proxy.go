package odootest

import (
	"bytes"
	"context"
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
	watch Watch
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
		p.pass(w, r, next, Call{r.Header.Get(odoo.ShipmentHeader), model, method})
	})
}

// pass makes one call there. One whose caller is cut off, or whose reply is lost, is done there all the same.
func (p *Proxy) pass(w http.ResponseWriter, r *http.Request, next http.Handler, c Call) {
	lose, watch := p.count(c.Shipment, c.Model, c.Method), p.watching()
	if watch.Before != nil && watch.Before(c) {
		panic(http.ErrAbortHandler)
	}
	if !lose && watch.After == nil {
		next.ServeHTTP(w, r)
		return
	}
	answer := httptest.NewRecorder()
	next.ServeHTTP(answer, r.WithContext(context.WithoutCancel(r.Context())))
	if watch.After != nil && watch.After(c) || lose {
		panic(http.ErrAbortHandler)
	}
	for k, v := range answer.Header() {
		w.Header()[k] = v
	}
	w.WriteHeader(answer.Code)
	_, _ = w.Write(answer.Body.Bytes()) // the caller may have gone
}

// Call is one call of a method of a model, and the shipment it is made for; "" for none.
type Call struct{ Shipment, Model, Method string }

// Watch is told of each call before it reaches Odoo and after Odoo has answered. Either says whether the caller is
// cut off there. Both may be called for several calls at a time; nil is not told.
type Watch struct{ Before, After func(Call) (cut bool) }

// Watch sets who is told.
func (p *Proxy) Watch(w Watch) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.watch = w
}

func (p *Proxy) watching() Watch {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.watch
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
