// Package tms asks the transport management system to move a shipment, and to stop. Its accept or decline comes
// later, as an event. The contract of its API is openapi.yaml.
package tms

import (
	"bytes"
	"context"
	_ "embed"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"waybill/internal/partner"
	"waybill/workflows/freight"
	"waybill/workflows/protocol"
)

//go:embed openapi.yaml
var document []byte

// OpenAPI is the contract of the TMS's API: an OpenAPI 3.1 document in YAML.
func OpenAPI() []byte { return bytes.Clone(document) }

// TMS implements the transport activities.
type TMS struct{ Client *partner.Client }

// The states of a request.
const (
	StatusRequested = "requested"
	StatusAccepted  = "accepted"
	StatusDeclined  = "declined"
	StatusPickedUp  = "picked_up"
	StatusCancelled = "cancelled"
)

// Request is a shipment request as the TMS has it.
type Request struct {
	ID       string    `json:"id"`
	Status   string    `json:"status"`
	Since    time.Time `json:"status_since,omitzero"` // when it came into the status; zero where the TMS does not say
	PRO      string    `json:"pro,omitzero"`
	Tracking []string  `json:"tracking,omitempty"` // the carrier's numbers of its parcels, or of its loads
	NewRequest
}

// NewRequest asks for transport. The TMS keeps each value to the letter; where no carrier is named it chooses one.
type NewRequest struct {
	ExternalRef string              `json:"external_ref"` // "acme-1042/1": shipment and tender; one request holds it
	Shipment    freight.ShipmentID  `json:"shipment"`
	Carrier     freight.CarrierCode `json:"carrier,omitzero"`
	Order       string              `json:"order,omitzero"`
	ShipTo      freight.Place       `json:"ship_to,omitzero"`
	Weight      string              `json:"weight,omitzero"` // kg, decimal
	Pieces      int                 `json:"pieces,omitzero"`
}

var lookup = partner.Lookup[Request]{Path: "/v1/shipment-requests", List: "requests"}

func reference(s freight.ShipmentID, tender int) string { return fmt.Sprintf("%s/%d", s, tender) }

// RequestTransport asks the TMS to move a shipment, once for its tender number.
func (t *TMS) RequestTransport(ctx context.Context, q protocol.TransportRequest) (freight.Booking, error) {
	r := q.Release
	want := NewRequest{ExternalRef: reference(q.Shipment, q.Tender), Shipment: q.Shipment, Carrier: r.Carrier, Order: r.OrderName, ShipTo: r.ShipTo, Weight: r.Weight, Pieces: r.Pieces}
	var got Request
	err := t.Client.Do(ctx, partner.Call{Method: http.MethodPost, Path: "/v1/shipment-requests", Key: want.ExternalRef, Shipment: q.Shipment, Body: want}, &got)
	if partner.Taken(err) {
		got, err = lookup.Holder(ctx, t.Client, want.ExternalRef, q.Shipment, err)
	}
	if err == nil {
		err = got.mustBe(want)
	}
	if err != nil {
		return freight.Booking{}, err
	}
	return freight.Booking{Ref: got.ID, Carrier: got.Carrier, PRO: got.PRO, Tracking: got.Tracking}, nil
}

// Read answers with the request of a tender as it stands now; false where the TMS has none.
func (t *TMS) Read(ctx context.Context, s freight.ShipmentID, tender int) (r Request, ok bool, err error) {
	ref := reference(s, tender)
	found, err := lookup.Find(ctx, t.Client, ref, s)
	switch {
	case err != nil || len(found) == 0:
		return r, false, err
	case found[0].ExternalRef != ref || found[0].Shipment != s:
		return r, false, protocol.Poison.Of(fmt.Errorf("the TMS answered with %q of %q, asked for %q", found[0].ExternalRef, found[0].Shipment, ref))
	}
	return found[0], true, found[0].numbers()
}

// mostNumbers is how many parcels' numbers a request may have, by the contract.
const mostNumbers = 200

// numbers says what is wrong with the parcels' numbers of a request; nil for nothing.
func (r Request) numbers() error {
	if len(r.Tracking) > mostNumbers {
		return protocol.Poison.Of(fmt.Errorf("the TMS has %d tracking numbers for %s, more than %d", len(r.Tracking), r.ExternalRef, mostNumbers))
	}
	if i := slices.IndexFunc(r.Tracking, func(n string) bool { return !freight.Nameable(n) }); i >= 0 {
		return protocol.Poison.Of(fmt.Errorf("tracking number %d of the TMS for %s is none: want 1 to 200 bytes", i+1, r.ExternalRef))
	}
	return nil
}

// mustBe refuses a request that is for other freight, or will not move.
func (r Request) mustBe(want NewRequest) error {
	there := r.NewRequest
	if want.Carrier == "" {
		there.Carrier = "" // the TMS chose
	}
	switch {
	case r.ID == "" || r.ExternalRef != want.ExternalRef:
		return protocol.Poison.Of(fmt.Errorf("the TMS answered with %q for %q, asked for %q", r.ID, r.ExternalRef, want.ExternalRef))
	case there != want:
		names := strings.Join(there.differs(want), ", ")
		return protocol.Rejected.Of(fmt.Errorf("the TMS has %s under %s and its %s differ from what is asked: correct %s there, then resolve with retry", r.ID, r.ExternalRef, names, r.ID))
	case r.Status == StatusCancelled:
		return protocol.Rejected.Of(fmt.Errorf("the TMS has %s under %s as cancelled: reopen it there, then resolve with retry", r.ID, r.ExternalRef))
	}
	return r.numbers()
}

// differs names what two requests do not have in common.
func (n NewRequest) differs(want NewRequest) (names []string) {
	for _, c := range []struct {
		name string
		same bool
	}{
		{"shipment", n.Shipment == want.Shipment}, {"carrier", n.Carrier == want.Carrier}, {"order", n.Order == want.Order},
		{"ship-to", n.ShipTo == want.ShipTo}, {"weight", n.Weight == want.Weight}, {"number of pieces", n.Pieces == want.Pieces},
	} {
		if !c.same {
			names = append(names, c.name)
		}
	}
	return names
}

// CancelTransport asks the TMS to stop. That it will not is an answer; that it never heard of the shipment is as
// good as cancelled.
func (t *TMS) CancelTransport(ctx context.Context, q protocol.TransportCancel) (protocol.TransportCancelled, error) {
	o := partner.Order{Ref: reference(q.Shipment, q.Tender), ID: q.Booking, Shipment: q.Shipment, Reason: q.Reason}
	got, off, err := lookup.CallOff(ctx, t.Client, o, func(r Request) string { return r.ID })
	if err != nil || off.Unknown || off.Refusal != "" {
		return protocol.TransportCancelled{Cancelled: off.Unknown, Refusal: off.Refusal}, err
	}
	return got.cancelled(off.ID)
}

// cancelled reads from a request's state whether it still moves.
func (r Request) cancelled(id string) (protocol.TransportCancelled, error) {
	switch {
	case r.ID != id:
		return protocol.TransportCancelled{}, protocol.Poison.Of(fmt.Errorf("the TMS answered for %q, asked to cancel %q", r.ID, id))
	case r.Status == StatusCancelled, r.Status == StatusDeclined:
		return protocol.TransportCancelled{Cancelled: true}, nil
	case r.Status == StatusPickedUp:
		return protocol.TransportCancelled{Refusal: "picked up"}, nil
	}
	return protocol.TransportCancelled{}, protocol.Rejected.Of(fmt.Errorf("the TMS has %s as %q, though it was told to cancel it: cancel it there, then resolve with retry", r.ID, r.Status))
}

// Check proves that the TMS answers and takes the token. It changes nothing.
func (t *TMS) Check(ctx context.Context) error { return lookup.Check(ctx, t.Client) }
