package record

import (
	"context"
	"slices"
	"time"

	"waybill/workflows/freight"
	"waybill/workflows/protocol"
)

// besideWithin bounds how long a record may hold up the call that carries it: as long as a busy store takes, and no more
// than a shipment notices.
const besideWithin = 2 * time.Second

// beside records what came with a call, and reports whether it could. A store that is down holds up neither tender nor
// money: the story then says it later, in a record of its own.
func (k *Keeper) beside(ctx context.Context, q *protocol.RecordRequest) bool {
	if q == nil {
		return false
	}
	ctx, cancel := context.WithTimeout(ctx, besideWithin)
	defer cancel()
	_, err := k.Record(ctx, *q)
	return err == nil
}

// Tendering is a request to the TMS that leaves the shipment's references in the store, with the PRO of the booking.
func (k *Keeper) Tendering(request func(context.Context, protocol.TransportRequest) (freight.Booking, error)) func(context.Context, protocol.TransportRequest) (protocol.Booked, error) {
	return func(ctx context.Context, q protocol.TransportRequest) (protocol.Booked, error) {
		b, err := request(ctx, q)
		if err != nil || q.Record == nil {
			return protocol.Booked{Booking: b}, err
		}
		said := *q.Record
		if b.PRO != "" {
			said.References = append(slices.Clone(said.References), freight.Reference{Kind: freight.RefPRO, Carrier: b.Carrier, Value: b.PRO})
		}
		return protocol.Booked{Booking: b, Recorded: k.beside(ctx, &said)}, nil
	}
}

// Posting is a posting whose validation and intent are in the store before it is tried.
func (k *Keeper) Posting(post func(context.Context, freight.InvoicePlan) (freight.Invoice, error)) func(context.Context, protocol.PostingRequest) (protocol.Posted, error) {
	return func(ctx context.Context, q protocol.PostingRequest) (protocol.Posted, error) {
		recorded := k.beside(ctx, q.Record)
		inv, err := post(ctx, q.InvoicePlan)
		return protocol.Posted{Invoice: inv, Recorded: recorded}, err
	}
}
