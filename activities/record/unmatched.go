package record

import (
	"context"
	"errors"

	"waybill/internal/store"
	"waybill/workflows/freight"
	"waybill/workflows/protocol"
)

// ReadUnmatched answers with what waits of a source for longer than the grace period, and who answers for the source.
func (k *Keeper) ReadUnmatched(ctx context.Context, q protocol.UnmatchedRequest) (freight.Unmatched, error) {
	u, err := k.Store.UnmatchedOf(ctx, q.Source, k.Now().Add(-k.Grace))
	if err != nil {
		return u, faultOf(err)
	}
	if k.SourceOwner != nil {
		u.Owner, u.Contact = k.SourceOwner(q.Source)
	}
	return u, nil
}

// PlaceUnmatched carries out a person's answer; the same again changes nothing and answers the same. A refusal is an
// answer.
func (k *Keeper) PlaceUnmatched(ctx context.Context, q freight.PlaceRequest) (p protocol.Placed, err error) {
	if p.Reply, err = k.Store.Place(ctx, q); err != nil {
		return p, faultOf(err)
	}
	p.Unmatched, err = k.ReadUnmatched(ctx, protocol.UnmatchedRequest{Source: q.Source})
	return p, err
}

// faultOf tells what the store can never hold from a store that is down.
func faultOf(err error) error {
	if errors.Is(err, store.ErrRefused) {
		return protocol.Rejected.Of(err)
	}
	return protocol.Transient.Of(err)
}
