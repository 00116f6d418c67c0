package rig_test

import (
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"waybill/starters/rig"
)

// TestCallThatIsDoneLateMayBreakOff behind the proxy, as one does whose upstream has gone, and nothing else ends with it.
func TestCallThatIsDoneLateMayBreakOff(t *testing.T) {
	var done sync.WaitGroup
	f := rig.NewFaults(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		defer done.Done()
		panic(http.ErrAbortHandler)
	}))
	f.Rule(func(*http.Request) rig.Fault { return rig.Fault{Late: time.Millisecond} })
	s := httptest.NewServer(f)
	defer s.Close()
	const calls = 20
	done.Add(calls)
	for range calls {
		if resp, err := s.Client().Get(s.URL); err == nil {
			_ = resp.Body.Close()
			t.Fatal("a call that is done late was answered")
		}
	}
	done.Wait()
}
