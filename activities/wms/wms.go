// Package wms asks a warehouse management system to pick and pack a shipment's goods and to hand them to the carrier,
// and to stop. How far it is comes later, as events. The contract of its API is openapi.yaml.
package wms

import (
	"bytes"
	"context"
	_ "embed"
	"fmt"
	"net/http"
	"strings"

	"waybill/internal/partner"
	"waybill/workflows/freight"
	"waybill/workflows/protocol"
)

//go:embed openapi.yaml
var document []byte

// OpenAPI is the contract of the WMS's API: an OpenAPI 3.1 document in YAML.
func OpenAPI() []byte { return bytes.Clone(document) }

// Warehouse implements the activities of a warehouse.
type Warehouse struct{ Client *partner.Client }

// The states of a ship order.
const (
	StatusReceived   = "received"
	StatusPacked     = "packed"
	StatusHandedOver = "handed_over" // to the carrier
	StatusCancelled  = "cancelled"
)

// ShipOrder is a ship order as the WMS has it.
type ShipOrder struct {
	ID     string `json:"id"`
	Status string `json:"status"`
	NewShipOrder
}

// NewShipOrder asks for goods to be picked, packed and handed to the carrier. The WMS keeps each value to the letter. What
// the goods are it knows by order and delivery.
type NewShipOrder struct {
	ExternalRef string              `json:"external_ref"` // "acme-1042/1": shipment and tender; one ship order holds it
	Shipment    freight.ShipmentID  `json:"shipment"`
	Order       string              `json:"order,omitzero"`
	Delivery    string              `json:"delivery,omitzero"`
	ShipTo      freight.Place       `json:"ship_to,omitzero"`
	Weight      string              `json:"weight,omitzero"` // kg, decimal
	Pieces      int                 `json:"pieces,omitzero"`
	Carrier     freight.CarrierCode `json:"carrier,omitzero"`
	PRO         string              `json:"pro,omitzero"`
}

var lookup = partner.Lookup[ShipOrder]{Path: "/v1/ship-orders", List: "ship_orders"}

func reference(s freight.ShipmentID, tender int) string { return fmt.Sprintf("%s/%d", s, tender) }

// RequestShipOrder asks the warehouse for a shipment's goods, once for its tender number.
func (w *Warehouse) RequestShipOrder(ctx context.Context, q protocol.ShipOrderRequest) (protocol.ShipOrdered, error) {
	want := NewShipOrder{ExternalRef: reference(q.Shipment, q.Tender), Shipment: q.Shipment, Order: q.Order, Delivery: q.Delivery,
		ShipTo: q.ShipTo, Weight: q.Weight, Pieces: q.Pieces, Carrier: q.Carrier, PRO: q.PRO}
	var got ShipOrder
	err := w.Client.Do(ctx, partner.Call{Method: http.MethodPost, Path: "/v1/ship-orders", Key: want.ExternalRef, Shipment: q.Shipment, Body: want}, &got)
	if partner.Taken(err) {
		got, err = lookup.Holder(ctx, w.Client, want.ExternalRef, q.Shipment, err)
	}
	if err == nil {
		err = got.mustBe(want)
	}
	if err != nil {
		return protocol.ShipOrdered{}, err
	}
	return protocol.ShipOrdered{Ref: got.ID}, nil
}

// mustBe refuses a ship order that is for other goods, or that nobody will pack.
func (o ShipOrder) mustBe(want NewShipOrder) error {
	switch {
	case o.ID == "" || o.ExternalRef != want.ExternalRef:
		return protocol.Poison.Of(fmt.Errorf("the WMS answered with %q for %q, asked for %q", o.ID, o.ExternalRef, want.ExternalRef))
	case o.NewShipOrder != want:
		names := strings.Join(o.differs(want), ", ")
		return protocol.Rejected.Of(fmt.Errorf("the WMS has %s under %s and its %s differ from what is asked: correct %s there, then resolve with retry", o.ID, o.ExternalRef, names, o.ID))
	case o.Status == StatusCancelled:
		return protocol.Rejected.Of(fmt.Errorf("the WMS has %s under %s as cancelled: reopen it there, then resolve with retry", o.ID, o.ExternalRef))
	}
	return nil
}

// differs names what two ship orders do not have in common.
func (n NewShipOrder) differs(want NewShipOrder) (names []string) {
	for _, c := range []struct {
		name string
		same bool
	}{
		{"shipment", n.Shipment == want.Shipment}, {"order", n.Order == want.Order}, {"delivery", n.Delivery == want.Delivery}, {"ship-to", n.ShipTo == want.ShipTo},
		{"weight", n.Weight == want.Weight}, {"number of pieces", n.Pieces == want.Pieces}, {"carrier", n.Carrier == want.Carrier}, {"PRO", n.PRO == want.PRO},
	} {
		if !c.same {
			names = append(names, c.name)
		}
	}
	return names
}

// CancelShipOrder asks the warehouse to stop. That it will not is an answer; that it never heard of the shipment is as
// good as cancelled.
func (w *Warehouse) CancelShipOrder(ctx context.Context, q protocol.ShipOrderCancel) (protocol.ShipOrderCancelled, error) {
	o := partner.Order{Ref: reference(q.Shipment, q.Tender), ID: q.ShipOrder, Shipment: q.Shipment, Reason: q.Reason}
	got, off, err := lookup.CallOff(ctx, w.Client, o, func(o ShipOrder) string { return o.ID })
	if err != nil || off.Unknown || off.Refusal != "" {
		return protocol.ShipOrderCancelled{Cancelled: off.Unknown, Refusal: off.Refusal}, err
	}
	return got.cancelled(off.ID)
}

// cancelled reads from a ship order's state whether the goods stay.
func (o ShipOrder) cancelled(id string) (protocol.ShipOrderCancelled, error) {
	switch {
	case o.ID != id:
		return protocol.ShipOrderCancelled{}, protocol.Poison.Of(fmt.Errorf("the WMS answered for %q, asked to cancel %q", o.ID, id))
	case o.Status == StatusCancelled:
		return protocol.ShipOrderCancelled{Cancelled: true}, nil
	case o.Status == StatusHandedOver:
		return protocol.ShipOrderCancelled{Refusal: "handed over"}, nil
	}
	return protocol.ShipOrderCancelled{}, protocol.Rejected.Of(fmt.Errorf("the WMS has %s as %q, though it was told to cancel it: cancel it there, then resolve with retry", o.ID, o.Status))
}

// Check proves that the WMS answers and takes the token. It changes nothing.
func (w *Warehouse) Check(ctx context.Context) error { return lookup.Check(ctx, w.Client) }
