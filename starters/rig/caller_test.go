package rig

import (
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"
)

// TestRuleIsToldWhichWorkerCalls, so that what a partner tells one of them is not held against another.
func TestRuleIsToldWhichWorkerCalls(t *testing.T) {
	f := NewFaults(http.NotFoundHandler())
	var callers []string
	f.Rule(func(r *http.Request) Fault { callers = append(callers, Caller(r)); return Fault{} })
	for _, h := range []http.Handler{named("worker 1", f), named("worker 2", f), f} {
		h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodPost, "/v1/ratings", nil))
	}
	if want := []string{"worker 1", "worker 2", ""}; !slices.Equal(callers, want) {
		t.Errorf("got %q, want %q", callers, want)
	}
}
