package main

import (
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"
)

// TestPartnerNotesWhoDoesNotWait: who comes as he was told, or sent his call before he heard of it, is not noted.
func TestPartnerNotesWhoDoesNotWait(t *testing.T) {
	for name, c := range map[string]struct {
		after     time.Duration
		method    string
		path      string
		disturbed int64
		sooner    int
	}{
		"sent before it heard":            {time.Second, http.MethodPost, "/v1/ratings", 0, 0},
		"came before its time":            {3500 * time.Millisecond, http.MethodPost, "/v1/ratings", 0, 1},
		"came in time":                    {busyMost * time.Second, http.MethodPost, "/v1/ratings", 0, 0},
		"another path":                    {3500 * time.Millisecond, http.MethodPost, "/v1/invoice-drafts", 0, 0},
		"a look, not a call":              {3500 * time.Millisecond, http.MethodGet, "/v1/ratings", 0, 0},
		"was killed and knows of no wait": {3500 * time.Millisecond, http.MethodPost, "/v1/ratings", 1, 0},
	} {
		t.Run(name, func(t *testing.T) {
			now, disturbed := time.Now(), int64(0)
			b := newBusy("TMS", rand.New(rand.NewPCG(1, 1)), func() int64 { return disturbed })
			b.now = func() time.Time { return now }
			call := func(method, path string) int { return b.refuse(httptest.NewRequest(method, path, nil)).Code }
			for call(http.MethodPost, "/v1/ratings") != http.StatusTooManyRequests {
			}
			now, disturbed = now.Add(c.after), c.disturbed
			if code := call(c.method, c.path); c.method == http.MethodGet && code != 0 {
				t.Errorf("a look was refused with %d", code)
			}
			if len(b.sooner) != c.sooner {
				t.Errorf("noted %v, want %d", b.sooner, c.sooner)
			}
		})
	}
}
