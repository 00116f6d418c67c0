package rig

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"time"
)

// Fault is what goes wrong with one call to a partner.
type Fault struct {
	Cut   bool          // the call never reaches the partner
	Lose  bool          // the partner does it, and the reply is lost
	Late  time.Duration // the caller is cut off at once, and the partner does it so much later
	Slow  time.Duration // the call waits so long first
	Hang  bool          // the call is taken and not answered; it breaks off when the rule changes, as of a partner that is started anew
	Code  int           // the partner answers so instead, where it is not 0
	After string        // Retry-After with Code
}

// Faults stands before a partner and lets a rule say what goes wrong with each call.
type Faults struct {
	next http.Handler

	mu      sync.Mutex
	rule    func(*http.Request) Fault
	changed chan struct{} // closed when another rule is set
	hurt    int
	seen    int
}

// NewFaults stands before a partner; without a rule nothing goes wrong.
func NewFaults(next http.Handler) *Faults {
	return &Faults{next: next, changed: make(chan struct{})}
}

// Rule sets what goes wrong from now on; nil for nothing. It is called for one call at a time.
func (f *Faults) Rule(rule func(*http.Request) Fault) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.rule = rule
	close(f.changed)
	f.changed = make(chan struct{})
}

// callerKey is under which a call's context has who makes it.
type callerKey struct{}

// named passes on the calls of one process, so that a rule can tell them from others'.
func named(caller string, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), callerKey{}, caller)))
	})
}

// Caller is the name of the worker that makes a call to the billing engine or the TMS; "" for anyone else.
func Caller(r *http.Request) string {
	name, _ := r.Context().Value(callerKey{}).(string)
	return name
}

// Counts are the calls seen, and those that something was done to.
func (f *Faults) Counts() (seen, hurt int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.seen, f.hurt
}

func (f *Faults) decide(r *http.Request) (bad Fault, changed <-chan struct{}) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.seen++
	if f.rule != nil {
		bad = f.rule(r)
	}
	if bad != (Fault{}) {
		f.hurt++
	}
	return bad, f.changed
}

// unheard passes a request on whose caller has gone. A proxy behind that breaks off does so by a panic, which here ends
// nothing but the request.
func (f *Faults) unheard(r *http.Request) {
	defer func() {
		if why := recover(); why != nil && why != http.ErrAbortHandler {
			panic(why)
		}
	}()
	f.next.ServeHTTP(httptest.NewRecorder(), r)
}

func (f *Faults) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	bad, changed := f.decide(r)
	if bad.Slow > 0 || bad.Late > 0 {
		if r = f.whole(r); r == nil {
			panic(http.ErrAbortHandler)
		}
		<-time.After(bad.Slow)
	}
	switch {
	case bad.Late > 0:
		time.AfterFunc(bad.Late, func() { f.unheard(r) })
		panic(http.ErrAbortHandler)
	case bad.Hang:
		hang(r, changed)
		panic(http.ErrAbortHandler)
	case bad.Cut:
		panic(http.ErrAbortHandler)
	case bad.Code != 0:
		if bad.After != "" {
			w.Header().Set("Retry-After", bad.After)
		}
		w.WriteHeader(bad.Code)
	case bad.Lose:
		f.next.ServeHTTP(httptest.NewRecorder(), r)
		panic(http.ErrAbortHandler)
	default:
		f.next.ServeHTTP(w, r)
	}
}

// hang takes a call, and keeps it until its caller has gone or the rule is another.
func hang(r *http.Request, changed <-chan struct{}) {
	_, _ = io.Copy(io.Discard, r.Body) // only who has read all hears of a caller that goes
	select {
	case <-r.Context().Done():
	case <-changed:
	}
}

// whole is the call with all of its body, so that it can be made though its caller has gone; nil where the caller
// went before it had said everything.
func (f *Faults) whole(r *http.Request) *http.Request {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil
	}
	r = r.WithContext(context.WithoutCancel(r.Context()))
	r.Body = io.NopCloser(bytes.NewReader(body))
	return r
}
