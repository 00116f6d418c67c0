package odoo_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"waybill/activities/odoo"
	"waybill/activities/odoo/odootest"
	"waybill/workflows/protocol"
)

// TestAPasswordOdooRefusedIsLeftAloneAndANewOneTriedAtOnce: Odoo locks out who tries often, and every call of every
// shipment would try.
func TestAPasswordOdooRefusedIsLeftAloneAndANewOneTriedAtOnce(t *testing.T) {
	var seen atomic.Int64
	standIn := odootest.NewStandIn()
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		seen.Add(1)
		standIn.ServeHTTP(w, r)
	}))
	t.Cleanup(srv.Close)
	password := "wr0ng"
	c := odoo.New(odoo.Options{URL: srv.URL, DB: "demo", Login: "admin", Password: func() (string, error) { return password, nil }})
	call := func(want bool, calls int64) {
		t.Helper()
		before := seen.Load()
		for range 5 {
			_, err := c.Call(t.Context(), "res.partner", "search_read", []any{[]any{}}, map[string]any{"fields": []string{"name"}})
			if (err == nil) != want || err != nil && (odoo.Classify(err) != protocol.Configuration || !strings.Contains(err.Error(), `login or password is wrong for "admin" in database "demo"`)) {
				t.Fatalf("password %q: %v", password, err)
			}
		}
		if n := seen.Load() - before; n != calls {
			t.Errorf("password %q: %d requests for 5 calls, want %d", password, n, calls)
		}
	}
	call(false, 1) // refused once
	password = "admin"
	call(true, 6) // signed in once, at once
	password = "changed"
	call(false, 1) // refused by the first call that brings it
	password = "admin"
	call(true, 6)
}
