// Package wmstest is a WMS that takes ship orders, and is told how far its warehouse is. It speaks the API of
// activities/wms/openapi.yaml.
package wmstest

import (
	"fmt"
	"net/http"
	"slices"
	"sync"

	"github.com/go-chi/chi/v5"

	"waybill/activities/wms"
	"waybill/internal/partner"
	"waybill/internal/partner/partnertest"
	"waybill/workflows/freight"
)

// WMS is the stand-in; its embedded Server has the ways to make it fail.
type WMS struct {
	partnertest.Server

	mu         sync.Mutex
	shipOrders []*wms.ShipOrder // as they came
	carriers   []freight.CarrierCode
}

// contract is read once: it takes longer than all a stand-in does.
var contract = sync.OnceValue(func() *partnertest.Contract { return partnertest.MustContract(wms.OpenAPI()) })

// New makes a WMS without ship orders, whose docks take every carrier.
func New() *WMS {
	s := &WMS{}
	r := partnertest.Router()
	r.Post("/v1/ship-orders", s.create)
	r.Get("/v1/ship-orders", s.find)
	r.Get("/v1/ship-orders/{id}", s.read)
	r.Post("/v1/ship-orders/{id}/cancel", s.cancel)
	s.Next, s.Contract = r, contract()
	return s
}

// Serves names the only carriers for which there is a dock; none named, every one.
func (s *WMS) Serves(carriers ...freight.CarrierCode) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.carriers = carriers
}

// Packed notes that the goods of a shipment stand at the dock.
func (s *WMS) Packed(id freight.ShipmentID) { s.move(id, wms.StatusPacked, wms.StatusReceived) }

// HandedOver notes that the carrier has the goods of a shipment: its ship order can no longer be cancelled.
func (s *WMS) HandedOver(id freight.ShipmentID) {
	s.move(id, wms.StatusHandedOver, wms.StatusReceived, wms.StatusPacked)
}

// Reopen notes that a cancelled ship order is worked on after all.
func (s *WMS) Reopen(id freight.ShipmentID) { s.move(id, wms.StatusReceived, wms.StatusCancelled) }

// move takes the ship orders of a shipment that stand at one of from.
func (s *WMS) move(id freight.ShipmentID, to string, from ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, o := range s.shipOrders {
		if o.Shipment == id && slices.Contains(from, o.Status) {
			o.Status = to
		}
	}
}

// ShipOrders lists every ship order, as they came.
func (s *WMS) ShipOrders() (all []wms.ShipOrder) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, o := range s.shipOrders {
		all = append(all, *o)
	}
	return all
}

func (s *WMS) create(w http.ResponseWriter, r *http.Request) {
	n, ok := partnertest.Read[wms.NewShipOrder](&s.Server, w, r, "NewShipOrder")
	if !ok {
		return
	}
	o, err := s.add(n)
	partnertest.Reply(w, http.StatusCreated, o, err)
}

func (s *WMS) add(n wms.NewShipOrder) (wms.ShipOrder, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, known := range s.shipOrders {
		if known.ExternalRef == n.ExternalRef {
			return wms.ShipOrder{}, partnertest.Taken(n.ExternalRef, known.ID)
		}
	}
	if len(s.carriers) > 0 && !slices.Contains(s.carriers, n.Carrier) {
		return wms.ShipOrder{}, partnertest.Invalid("invalid", fmt.Sprintf("there is no dock for carrier %q: enter it in the WMS", n.Carrier), partner.FieldError{Pointer: "/carrier", Code: "unknown"})
	}
	o := &wms.ShipOrder{ID: fmt.Sprintf("W%06d", len(s.shipOrders)+1), Status: wms.StatusReceived, NewShipOrder: n}
	s.shipOrders = append(s.shipOrders, o)
	return *o, nil
}

func (s *WMS) find(w http.ResponseWriter, r *http.Request) {
	ref, ok := partnertest.Reference(w, r)
	if !ok {
		return
	}
	found := []wms.ShipOrder{}
	for _, o := range s.ShipOrders() {
		if o.ExternalRef == ref {
			found = append(found, o)
		}
	}
	partnertest.Answer(w, http.StatusOK, map[string]any{"ship_orders": found})
}

// on does something with the ship order that the path names, and answers with it.
func (s *WMS) on(w http.ResponseWriter, r *http.Request, do func(*wms.ShipOrder) error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, o := range s.shipOrders {
		if o.ID == chi.URLParam(r, "id") {
			err := do(o)
			partnertest.Reply(w, http.StatusOK, *o, err)
			return
		}
	}
	partnertest.Reply(w, 0, nil, partnertest.Unknown("ship order"))
}

func (s *WMS) read(w http.ResponseWriter, r *http.Request) {
	s.on(w, r, func(*wms.ShipOrder) error { return nil })
}

func (s *WMS) cancel(w http.ResponseWriter, r *http.Request) {
	if _, ok := partnertest.Read[partner.Reason](&s.Server, w, r, "Reason"); !ok {
		return
	}
	s.on(w, r, func(o *wms.ShipOrder) error {
		if o.Status == wms.StatusHandedOver {
			return &partner.Problem{Status: http.StatusConflict, Title: "Not cancellable", Detail: "handed over", Code: partner.CodeNotCancellable}
		}
		o.Status = wms.StatusCancelled
		return nil
	})
}
