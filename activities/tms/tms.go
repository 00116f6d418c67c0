// Package tms asks the transport management system to move a shipment, and to stop. Its accept or decline comes
// later, as an event. The contract of its API is openapi.yaml.
package tms

import (
	"context"
	"fmt"
	"net/http"
	"net/url"

	"waybill/internal/partner"
	"waybill/workflows/freight"
	"waybill/workflows/protocol"
)

// TMS implements the transport activities.
type TMS struct{ Client *partner.Client }

// Request is a shipment request as the TMS has it.
type Request struct {
	ID          string              `json:"id"`
	ExternalRef string              `json:"external_ref"` // "acme-1042/1": shipment and tender
	Shipment    freight.ShipmentID  `json:"shipment"`
	Status      string              `json:"status"` // requested, accepted, declined, picked_up, cancelled
	Carrier     freight.CarrierCode `json:"carrier,omitzero"`
	PRO         string              `json:"pro,omitzero"`
	Order       string              `json:"order,omitzero"`
	ShipTo      freight.Place       `json:"ship_to,omitzero"`
	Weight      string              `json:"weight,omitzero"` // kg, decimal
	Pieces      int                 `json:"pieces,omitzero"`
}

func reference(s freight.ShipmentID, tender int) string { return fmt.Sprintf("%s/%d", s, tender) }

// RequestTransport asks the TMS to move a shipment, once for its tender number.
func (t *TMS) RequestTransport(ctx context.Context, q protocol.TransportRequest) (freight.Booking, error) {
	ref := reference(q.Shipment, q.Tender)
	body := Request{ExternalRef: ref, Shipment: q.Shipment, Carrier: q.Release.Carrier, Order: q.Release.OrderName, ShipTo: q.Release.ShipTo, Weight: q.Release.Weight, Pieces: q.Release.Pieces}
	var r Request
	err := t.Client.Do(ctx, partner.Call{Method: http.MethodPost, Path: "/v1/shipment-requests", Key: ref, Shipment: q.Shipment, Body: body}, &r)
	if p := partner.ProblemOf(err); p != nil && p.Existing != "" {
		err = t.Client.Do(ctx, partner.Call{Method: http.MethodGet, Path: "/v1/shipment-requests/" + url.PathEscape(p.Existing), Shipment: q.Shipment}, &r)
	}
	if err == nil && r.ExternalRef != ref {
		err = protocol.Poison.Of(fmt.Errorf("the TMS answered for %q, asked for %q", r.ExternalRef, ref))
	}
	return freight.Booking{Ref: r.ID, Carrier: r.Carrier, PRO: r.PRO}, err
}

// CancelTransport asks the TMS to stop. That it will not is an answer; that it never heard of the shipment is as
// good as cancelled.
func (t *TMS) CancelTransport(ctx context.Context, q protocol.TransportCancel) (protocol.TransportCancelled, error) {
	id, err := t.find(ctx, q)
	if err != nil || id == "" {
		return protocol.TransportCancelled{Cancelled: err == nil}, err
	}
	key := reference(q.Shipment, q.Tender) + "/cancel"
	err = t.Client.Do(ctx, partner.Call{Method: http.MethodPost, Path: "/v1/shipment-requests/" + url.PathEscape(id) + "/cancel", Key: key, Shipment: q.Shipment, Body: map[string]string{"reason": q.Reason}}, nil)
	if p := partner.ProblemOf(err); p != nil && p.Code == "not_cancellable" {
		return protocol.TransportCancelled{Refusal: p.Detail}, nil
	}
	return protocol.TransportCancelled{Cancelled: err == nil}, err
}

// find is the TMS's number for a request whose reply may never have been seen; "" where there is none.
func (t *TMS) find(ctx context.Context, q protocol.TransportCancel) (string, error) {
	if q.Booking != "" {
		return q.Booking, nil
	}
	var found struct {
		Requests []Request `json:"requests"`
	}
	ref := reference(q.Shipment, q.Tender)
	err := t.Client.Do(ctx, partner.Call{Method: http.MethodGet, Path: "/v1/shipment-requests?external_ref=" + url.QueryEscape(ref), Shipment: q.Shipment}, &found)
	if err != nil || len(found.Requests) == 0 {
		return "", err
	}
	return found.Requests[0].ID, nil
}
