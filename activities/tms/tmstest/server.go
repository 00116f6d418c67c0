// Package tmstest is a TMS that takes shipment requests, gives them PRO numbers, and tells whoever listens. It
// speaks the API of activities/tms/openapi.yaml.
package tmstest

import (
	"fmt"
	"net/http"
	"slices"
	"sync"
	"time"

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
	Carrier func(tms.NewRequest) freight.CarrierCode
	// Unnumbered: it gives no PRO numbers.
	Unnumbered bool
	// Tracking gives the freight's parcels their numbers; nil: they have none.
	Tracking func(tms.NewRequest) []string
	// Now is its clock; nil: the machine's.
	Now func() time.Time

	mu       sync.Mutex
	requests []*tms.Request // as they came
}

// contract is read once: it takes longer than all a stand-in does.
var contract = sync.OnceValue(func() *partnertest.Contract { return partnertest.MustContract(tms.OpenAPI()) })

// New makes a TMS without requests.
func New() *TMS {
	t := &TMS{}
	r := partnertest.Router()
	r.Post("/v1/shipment-requests", t.create)
	r.Get("/v1/shipment-requests", t.find)
	r.Get("/v1/shipment-requests/{id}", t.read)
	r.Post("/v1/shipment-requests/{id}/cancel", t.cancel)
	t.Next, t.Contract = r, contract()
	return t
}

// Accept notes that a carrier takes the freight of a shipment.
func (t *TMS) Accept(s freight.ShipmentID) { t.move(s, tms.StatusAccepted, tms.StatusRequested) }

// Decline notes that no carrier takes the freight of a shipment.
func (t *TMS) Decline(s freight.ShipmentID) { t.move(s, tms.StatusDeclined, tms.StatusRequested) }

// PickedUp notes that the freight of a shipment has left: its request can no longer be cancelled.
func (t *TMS) PickedUp(s freight.ShipmentID) {
	t.move(s, tms.StatusPickedUp, tms.StatusRequested, tms.StatusAccepted)
}

// Label gives the freight's parcels of a shipment their numbers.
func (t *TMS) Label(s freight.ShipmentID, numbers ...string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, r := range t.requests {
		if r.Shipment == s {
			r.Tracking = numbers
		}
	}
}

// move takes the requests of a shipment that stand at one of from.
func (t *TMS) move(s freight.ShipmentID, to string, from ...string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, r := range t.requests {
		if r.Shipment == s && slices.Contains(from, r.Status) {
			r.Status, r.Since = to, t.now()
		}
	}
}

// now is its clock to the second: that is how it tells of times.
func (t *TMS) now() time.Time {
	if t.Now != nil {
		return t.Now().UTC().Truncate(time.Second)
	}
	return time.Now().UTC().Truncate(time.Second)
}

// Requests lists every request, as they came.
func (t *TMS) Requests() (rs []tms.Request) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, r := range t.requests {
		rs = append(rs, *r)
	}
	return rs
}

func (t *TMS) create(w http.ResponseWriter, r *http.Request) {
	n, ok := partnertest.Read[tms.NewRequest](&t.Server, w, r, "NewRequest")
	if !ok {
		return
	}
	q, err := t.add(n)
	partnertest.Reply(w, http.StatusCreated, q, err)
	if err == nil && t.OnRequest != nil {
		go t.OnRequest(q) // a partner's event does not wait for our answer to arrive
	}
}

func (t *TMS) add(n tms.NewRequest) (tms.Request, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, known := range t.requests {
		if known.ExternalRef == n.ExternalRef {
			return tms.Request{}, partnertest.Taken(n.ExternalRef, known.ID)
		}
	}
	if n.Carrier == "" && t.Carrier != nil {
		n.Carrier = t.Carrier(n)
	}
	i := len(t.requests) + 1
	q := &tms.Request{ID: fmt.Sprintf("T%06d", i), Status: tms.StatusRequested, Since: t.now(), PRO: fmt.Sprintf("PRO%07d", 7_000_000+i), NewRequest: n}
	if t.Unnumbered {
		q.PRO = ""
	}
	if t.Tracking != nil {
		q.Tracking = t.Tracking(n)
	}
	t.requests = append(t.requests, q)
	return *q, nil
}

func (t *TMS) find(w http.ResponseWriter, r *http.Request) {
	ref, ok := partnertest.Reference(w, r)
	if !ok {
		return
	}
	found := []tms.Request{}
	for _, q := range t.Requests() {
		if q.ExternalRef == ref {
			found = append(found, q)
		}
	}
	partnertest.Answer(w, http.StatusOK, map[string]any{"requests": found})
}

// on does something with the request that the path names, and answers with it.
func (t *TMS) on(w http.ResponseWriter, r *http.Request, do func(*tms.Request) error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, q := range t.requests {
		if q.ID == chi.URLParam(r, "id") {
			err := do(q)
			partnertest.Reply(w, http.StatusOK, *q, err)
			return
		}
	}
	partnertest.Reply(w, 0, nil, partnertest.Unknown("request"))
}

func (t *TMS) read(w http.ResponseWriter, r *http.Request) {
	t.on(w, r, func(*tms.Request) error { return nil })
}

func (t *TMS) cancel(w http.ResponseWriter, r *http.Request) {
	if _, ok := partnertest.Read[partner.Reason](&t.Server, w, r, "Reason"); !ok {
		return
	}
	t.on(w, r, func(q *tms.Request) error {
		switch q.Status {
		case tms.StatusPickedUp:
			return &partner.Problem{Status: http.StatusConflict, Title: "Not cancellable", Detail: "picked up", Code: partner.CodeNotCancellable}
		case tms.StatusRequested, tms.StatusAccepted:
			q.Status, q.Since = tms.StatusCancelled, t.now()
		}
		return nil
	})
}
