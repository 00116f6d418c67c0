package contracttest

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"waybill/internal/partner"
	"waybill/internal/partner/partnertest"
)

// Request is one that a contract takes.
type Request struct {
	Method, Path string
	Key          string // what its Idempotency-Key begins with; "" where it needs none
	Body         string // JSON; "" for none
}

// Answer is what came back.
type Answer struct {
	Status  int
	Header  http.Header
	Body    string
	Problem partner.Problem // of a refusal
}

// Caller sends requests as they are, wrong ones too, to a stand-in that a document watches.
type Caller struct {
	t        testing.TB
	document *Document
	url      string
	server   *partnertest.Server
}

// Caller serves a stand-in: handler, whose part that all stand-ins share is server.
func (d *Document) Caller(t testing.TB, handler http.Handler, server *partnertest.Server) *Caller {
	srv := httptest.NewServer(d.Anyone(handler))
	t.Cleanup(srv.Close)
	return &Caller{t: t, document: d, url: srv.URL, server: server}
}

// Send sends a request with a good token and the key as it is, after changes to it.
func (c *Caller) Send(q Request, changes ...func(*http.Request)) Answer {
	c.t.Helper()
	a, err := c.send(c.t.Context(), q, changes...)
	if err != nil {
		c.t.Fatal(err)
	}
	return a
}

func (c *Caller) send(ctx context.Context, q Request, changes ...func(*http.Request)) (a Answer, err error) {
	req, err := http.NewRequestWithContext(ctx, q.Method, c.url+q.Path, strings.NewReader(q.Body))
	if err != nil {
		return a, err
	}
	req.Header.Set("Authorization", "Bearer "+partnertest.Token)
	if q.Body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	if q.Key != "" {
		req.Header.Set("Idempotency-Key", `"`+q.Key+`"`)
	}
	for _, change := range changes {
		change(req)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return a, err
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(resp.Body)
	a = Answer{Status: resp.StatusCode, Header: resp.Header, Body: string(body)}
	if a.Status >= http.StatusBadRequest {
		err = json.Unmarshal(body, &a.Problem)
	}
	return a, err
}

// Want fails the test where a request has not the status, and the code of a refusal.
func (c *Caller) Want(q Request, status int, code string, changes ...func(*http.Request)) Answer {
	c.t.Helper()
	a := c.Send(q, changes...)
	if a.Status != status || a.Problem.Code != code {
		c.t.Errorf("%s %s: got %d %s, want %d %q", q.Method, q.Path, a.Status, a.Body, status, code)
	}
	return a
}

// Header changes a request's header; "" removes it.
func Header(name, value string) func(*http.Request) {
	return func(r *http.Request) {
		r.Header.Set(name, value)
		if value == "" {
			r.Header.Del(name)
		}
	}
}

// Refusals sends a request in every way that all contracts refuse, and to a partner in every kind of trouble. What the
// request asks for is not done, unless it has a key: then it is done under that key, once.
func (c *Caller) Refusals(q Request) {
	c.t.Helper()
	c.Want(q, http.StatusUnauthorized, "unauthorized", Header("Authorization", ""))
	c.Want(q, http.StatusUnauthorized, "unauthorized", Header("Authorization", "Bearer stale"))
	c.troubles(q)
	if q.Key != "" || q.Method == http.MethodPut {
		c.Want(q, http.StatusForbidden, "forbidden", Header("Authorization", "Bearer "+partnertest.Reader))
	}
	if q.Body != "" {
		c.Want(q, http.StatusUnsupportedMediaType, "not_json", Header("Content-Type", "text/plain"))
		large := q
		large.Body = `{"x":"` + strings.Repeat("x", 1<<20) + `"}`
		c.Want(large, http.StatusRequestEntityTooLarge, "too_large")
	}
	if q.Key != "" {
		c.Want(q, http.StatusBadRequest, "key_required", Header("Idempotency-Key", ""))
		c.Want(q, http.StatusBadRequest, "key_malformed", Header("Idempotency-Key", q.Key))
		c.once(q)
	}
	if q.Body != "" {
		c.mutations(q)
	}
}

// Complete asks whether the partner is up, as a probe does that has no token, while it is and while it is not. Then it
// requires that every answer the document promises was seen.
func (c *Caller) Complete() {
	c.t.Helper()
	probe := Request{Method: http.MethodGet, Path: "/healthz"}
	c.server.Down(time.Hour)
	c.Want(probe, http.StatusServiceUnavailable, "unavailable", Header("Authorization", ""))
	c.server.Down(0)
	c.Want(probe, http.StatusOK, "", Header("Authorization", ""))
	for _, missing := range c.document.untried() {
		c.t.Errorf("the document promises %s, which was never seen", missing)
	}
}

// troubles has the partner down, failing and asking for patience.
func (c *Caller) troubles(q Request) {
	c.t.Helper()
	defer c.server.Fail(nil)
	for _, w := range []struct {
		trouble partnertest.Trouble
		code    string
	}{
		{partnertest.Trouble{Status: http.StatusTooManyRequests, RetryAfter: "7"}, "throttled"},
		{partnertest.Trouble{Status: http.StatusTooManyRequests, RetryAfter: time.Now().Add(time.Minute).UTC().Format(http.TimeFormat)}, "throttled"},
		{partnertest.Trouble{Status: http.StatusInternalServerError}, "failed"},
		{partnertest.Trouble{Status: http.StatusServiceUnavailable, RetryAfter: "1"}, "unavailable"},
	} {
		c.server.Fail(func(*http.Request) partnertest.Trouble { return w.trouble })
		if a := c.Want(q, w.trouble.Status, w.code); !a.Problem.Retryable || a.Header.Get("Retry-After") != w.trouble.RetryAfter {
			c.t.Errorf("%d: retryable %t after %q, want true after %q", a.Status, a.Problem.Retryable, a.Header.Get("Retry-After"), w.trouble.RetryAfter)
		}
	}
}

// once sends a write while it is worked on, after it was done, and with another body under its key.
func (c *Caller) once(q Request) {
	c.t.Helper()
	c.server.Fail(func(*http.Request) partnertest.Trouble { return partnertest.Trouble{Slow: time.Hour} })
	ctx, leave := context.WithCancel(c.t.Context())
	answers := make(chan Answer, 2)
	for range 2 { // whichever comes second meets the first one's work
		go func() {
			a, _ := c.send(ctx, q) // one that got no answer has no status
			answers <- a
		}()
	}
	if a := <-answers; a.Status != http.StatusConflict || a.Problem.Code != partner.CodeInProgress || !a.Problem.Retryable || a.Header.Get("Retry-After") == "" {
		c.t.Errorf("%s %s while it is worked on: got %d %s, want 409 in_progress with Retry-After", q.Method, q.Path, a.Status, a.Body)
	}
	leave()
	c.server.Fail(nil)
	again := c.Send(q)
	for again.Problem.Code == partner.CodeInProgress {
		again = c.Send(q)
	}
	if again.Status >= http.StatusMultipleChoices || again.Header.Get("Idempotency-Replayed") != "true" {
		c.t.Errorf("%s %s repeated: got %d %s (replayed %q), want the first result again", q.Method, q.Path, again.Status, again.Body, again.Header.Get("Idempotency-Replayed"))
	}
	other := q
	other.Body = strings.Replace(q.Body, "{", "{ ", 1)
	if q.Body == "" {
		other.Path = strings.Replace(q.Path, "000001", "000002", 1)
	}
	c.Want(other, http.StatusUnprocessableEntity, partner.CodeKeyReused)
}

// mutations sends the body with each member missing, of another type, and with one that is unknown. Where the document
// forbids it the watch demands a refusal; here it must say where.
func (c *Caller) mutations(q Request) {
	c.t.Helper()
	for i, m := range mutate(c.t, q.Body) {
		wrong := q
		wrong.Body = m.body
		if q.Key != "" {
			wrong.Key = fmt.Sprintf("%s-mutated-%d", q.Key, i)
		}
		a := c.Send(wrong)
		points := slices.ContainsFunc(a.Problem.Errors, func(e partner.FieldError) bool { return strings.HasPrefix(e.Pointer, m.pointer) })
		if a.Status >= http.StatusInternalServerError || a.Status == http.StatusUnprocessableEntity && !points {
			c.t.Errorf("%s %s with %s: got %d %s", q.Method, q.Path, m.body, a.Status, a.Body)
		}
		if m.mustFail && a.Status != http.StatusUnprocessableEntity {
			c.t.Errorf("%s %s with %s: got %d, want 422", q.Method, q.Path, m.body, a.Status)
		}
	}
}

type mutation struct {
	body, pointer string
	mustFail      bool // a value of no type that any schema has there, or a member no schema has
}

// mutate makes the mutations of a body, each at one place.
func mutate(t testing.TB, body string) (all []mutation) {
	t.Helper()
	var root any
	if err := json.Unmarshal([]byte(body), &root); err != nil {
		t.Fatal(err)
	}
	emit := func(pointer string, mustFail bool) {
		b, err := json.Marshal(root)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, mutation{string(b), pointer, mustFail})
	}
	var walk func(v any, at string)
	walk = func(v any, at string) {
		switch v := v.(type) {
		case map[string]any:
			for name, was := range v {
				for _, other := range []any{nil, []any{true}, map[string]any{"surprise": true}} {
					v[name] = other
					emit(at+"/"+name, true)
				}
				delete(v, name)
				emit(at, false)
				v[name] = was
				walk(was, at+"/"+name)
			}
			v["surprise"] = true
			emit(at+"/", true)
			delete(v, "surprise")
		case []any:
			for i, e := range v {
				walk(e, fmt.Sprintf("%s/%d", at, i))
			}
		}
	}
	walk(root, "")
	return all
}
