// Package tmstest is a TMS that takes shipment requests, gives them PRO numbers, and tells whoever listens. It
// speaks the API of activities/tms/openapi.yaml.
package tmstest

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"

	"github.com/go-chi/chi/v5"

	"waybill/activities/tms"
	"waybill/internal/partner"
	"waybill/internal/partner/partnertest"
	"waybill/workflows/freight"
)

// TMS is the stand-in; its embedded Server has the ways to make it fail.
type TMS struct {
	partnertest.Server
	// OnRequest is called for each request once, after it was answered: to accept or decline it by an event.
	OnRequest func(tms.Request)
	// Carrier gives the freight to a carrier where the request names none.
	Carrier func(tms.Request) freight.CarrierCode

	mu       sync.Mutex
	requests map[string]*tms.Request
}

// New makes a TMS without requests.
func New() *TMS {
	t := &TMS{requests: map[string]*tms.Request{}}
	r := chi.NewRouter()
	r.Post("/v1/shipment-requests", t.create)
	r.Get("/v1/shipment-requests", t.list)
	r.Get("/v1/shipment-requests/{id}", t.read)
	r.Post("/v1/shipment-requests/{id}/cancel", t.cancel)
	t.Next = r
	return t
}

// PickedUp notes that the freight of a shipment has left: its request can no longer be cancelled.
func (t *TMS) PickedUp(s freight.ShipmentID) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, r := range t.requests {
		if r.Shipment == s {
			r.Status = "picked_up"
		}
	}
}

// Requests lists every request.
func (t *TMS) Requests() (rs []tms.Request) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, r := range t.requests {
		rs = append(rs, *r)
	}
	slices.SortFunc(rs, func(a, b tms.Request) int { return strings.Compare(a.ID, b.ID) })
	return rs
}

func (t *TMS) create(w http.ResponseWriter, r *http.Request) {
	q, ok := partnertest.Read[tms.Request](w, r)
	if !ok {
		return
	}
	if q.ExternalRef == "" || q.ID != "" || q.Status != "" {
		partnertest.Refuse(w, partner.Problem{Status: http.StatusUnprocessableEntity, Title: "external_ref is required; id and status are ours", Code: "invalid"})
		return
	}
	t.mu.Lock()
	for _, known := range t.requests {
		if known.ExternalRef == q.ExternalRef {
			t.mu.Unlock()
			partnertest.Refuse(w, partner.Problem{Status: http.StatusConflict, Title: "external_ref is taken", Code: "duplicate_ref", Existing: known.ID})
			return
		}
	}
	n := len(t.requests) + 1
	q.ID, q.Status, q.PRO = fmt.Sprintf("T%06d", n), "requested", fmt.Sprintf("PRO%07d", 7_000_000+n)
	if q.Carrier == "" && t.Carrier != nil {
		q.Carrier = t.Carrier(q)
	}
	t.requests[q.ID] = &q
	answer := q
	t.mu.Unlock()
	partnertest.Answer(w, http.StatusCreated, answer)
	if t.OnRequest != nil {
		go t.OnRequest(answer) // a partner's event does not wait for our answer to arrive
	}
}

func (t *TMS) list(w http.ResponseWriter, r *http.Request) {
	found := []tms.Request{}
	for _, q := range t.Requests() {
		if q.ExternalRef == r.URL.Query().Get("external_ref") {
			found = append(found, q)
		}
	}
	partnertest.Answer(w, http.StatusOK, map[string]any{"requests": found})
}

func (t *TMS) request(w http.ResponseWriter, r *http.Request) *tms.Request {
	q := t.requests[chi.URLParam(r, "id")]
	if q == nil {
		partnertest.Refuse(w, partner.Problem{Status: http.StatusNotFound, Title: "There is no such request", Code: "unknown"})
	}
	return q
}

func (t *TMS) read(w http.ResponseWriter, r *http.Request) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if q := t.request(w, r); q != nil {
		partnertest.Answer(w, http.StatusOK, q)
	}
}

func (t *TMS) cancel(w http.ResponseWriter, r *http.Request) {
	t.mu.Lock()
	defer t.mu.Unlock()
	q := t.request(w, r)
	switch {
	case q == nil:
	case q.Status == "picked_up":
		partnertest.Refuse(w, partner.Problem{Status: http.StatusConflict, Title: "Not cancellable", Detail: "picked up", Code: "not_cancellable"})
	default:
		q.Status = "cancelled"
		partnertest.Answer(w, http.StatusOK, q)
	}
}
