package record

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"time"

	"waybill/internal/store"
	"waybill/workflows/freight"
	"waybill/workflows/protocol"
)

// besideWithin bounds how long a record may hold up the call that carries it: as long as a busy store takes, and no more
// than a shipment notices.
const besideWithin = 2 * time.Second

// beside records what came with a call, and reports whether it could. A store that is down holds up neither tender nor
// money: the story then says it later, in a record of its own. One that has forgotten what it was told is an error.
func (k *Keeper) beside(ctx context.Context, q *protocol.RecordRequest) (bool, error) {
	if q == nil {
		return false, nil
	}
	ctx, cancel := context.WithTimeout(ctx, besideWithin)
	defer cancel()
	_, err := k.Record(ctx, *q)
	if errors.Is(err, store.ErrGap) {
		return false, err
	}
	return err == nil, nil
}

// Tendering is a request to the TMS that leaves the shipment's references in the store, with the numbers of the booking.
// Where the TMS chose the carrier, a number that the shipment had before is that carrier's.
func (k *Keeper) Tendering(request func(context.Context, protocol.TransportRequest) (freight.Booking, error)) func(context.Context, protocol.TransportRequest) (protocol.Booked, error) {
	return func(ctx context.Context, q protocol.TransportRequest) (protocol.Booked, error) {
		b, err := request(ctx, q)
		if err != nil || q.Record == nil {
			return protocol.Booked{Booking: b}, err
		}
		said := *q.Record
		said.View.Carrier = cmp.Or(said.View.Carrier, b.Carrier)
		said.References = append(ofCarrier(b.Carrier, said.References), b.References()...)
		recorded, _ := k.beside(ctx, &said) // the truck is asked for: that it is not recorded is said by the story's own record
		return protocol.Booked{Booking: b, Recorded: recorded}, nil
	}
}

// ofCarrier is a copy of references in which a tracking number that is nobody's is the carrier's.
func ofCarrier(c freight.CarrierCode, rs []freight.Reference) []freight.Reference {
	rs = slices.Clone(rs)
	for i := range rs {
		if rs[i].Kind == freight.RefTracking {
			rs[i].Carrier = cmp.Or(rs[i].Carrier, c)
		}
	}
	return rs
}

// Posting is a posting whose validation and intent are in the store before it is tried. On a store that has forgotten
// what came before them, nothing is posted.
func (k *Keeper) Posting(post func(context.Context, freight.InvoicePlan) (freight.Invoice, error)) func(context.Context, protocol.PostingRequest) (protocol.Posted, error) {
	return func(ctx context.Context, q protocol.PostingRequest) (protocol.Posted, error) {
		recorded, err := k.beside(ctx, q.Record)
		if err != nil {
			return protocol.Posted{}, err
		}
		inv, err := post(ctx, q.InvoicePlan)
		return protocol.Posted{Invoice: inv, Recorded: recorded}, err
	}
}
