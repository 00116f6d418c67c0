package partner

import (
	"context"
	"net/http"

	"waybill/workflows/freight"
)

// CodeNotCancellable is a partner's refusal to stop what has left.
const CodeNotCancellable = "not_cancellable"

// Order is one at a partner that is to be called off.
type Order struct {
	Ref      string // its external_ref
	ID       string // the partner's own; "" where the reply that told it was never seen
	Shipment freight.ShipmentID
	Reason   string
}

// Reason is why an order is called off.
type Reason struct {
	Reason string `json:"reason"`
}

// Off is what a partner makes of that. The zero value but for the ID: it has answered with where the order stands.
type Off struct {
	ID      string
	Unknown bool   // it never heard of the order, which is as good as cancelled
	Refusal string // it will not, which is an answer: why
}

// CallOff asks a partner to stop an order, and answers with where it stands then.
func (l Lookup[T]) CallOff(ctx context.Context, c *Client, o Order, idOf func(T) string) (got T, off Off, err error) {
	if o.ID == "" {
		found, err := l.Find(ctx, c, o.Ref, o.Shipment)
		if err != nil || len(found) == 0 {
			return got, Off{Unknown: err == nil}, err
		}
		o.ID = idOf(found[0])
	}
	err = c.Do(ctx, Call{Method: http.MethodPost, Path: l.Path + "/{id}/cancel", ID: o.ID, Key: o.Ref + "/cancel", Shipment: o.Shipment, Body: Reason{o.Reason}}, &got)
	if p := ProblemOf(err); p != nil && p.Code == CodeNotCancellable {
		return got, Off{ID: o.ID, Refusal: p.Error()}, nil
	}
	if Taken(err) { // asked before for another reason: what counts is where it stands
		got, err = l.Holder(ctx, c, o.Ref, o.Shipment, err)
	}
	return got, Off{ID: o.ID}, err
}
