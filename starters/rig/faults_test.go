package rig_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
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

// TestCallThatHangsEndsWithItsCallerOrWithTheFault, and never by itself.
func TestCallThatHangsEndsWithItsCallerOrWithTheFault(t *testing.T) {
	f := rig.NewFaults(http.NotFoundHandler())
	hung := make(chan struct{}, 1)
	s := httptest.NewServer(f)
	defer s.Close() // waits for what is under way
	for name, end := range map[string]func(cancel func()){"its caller": func(cancel func()) { cancel() }, "the fault": func(func()) { f.Rule(nil) }} {
		ctx, cancel := context.WithCancel(t.Context())
		req, err := http.NewRequestWithContext(ctx, http.MethodPost, s.URL, strings.NewReader("{}"))
		if err != nil {
			t.Fatal(err)
		}
		f.Rule(func(*http.Request) rig.Fault { hung <- struct{}{}; return rig.Fault{Hang: true} })
		answered := make(chan error, 1)
		go func() {
			resp, err := s.Client().Do(req)
			if err == nil {
				err = resp.Body.Close()
			}
			answered <- err
		}()
		<-hung
		end(cancel)
		if err := <-answered; err == nil {
			t.Errorf("%s: a call that hangs was answered", name)
		}
		cancel()
	}
}
