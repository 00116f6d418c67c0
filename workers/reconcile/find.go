package reconcile

import (
	"context"
	"errors"
	"fmt"

	"go.temporal.io/api/serviceerror"

	"waybill/activities/odoo"
	"waybill/workflows/freight"
	"waybill/workflows/protocol"
)

// Find compares the three with each other, and changes nothing.
func (b *Books) Find(ctx context.Context) (r Report, err error) {
	if _, err := b.compare(ctx, &r); err != nil {
		return r, err
	}
	shipments, err := b.list(ctx, protocol.Shipment.Name)
	if err != nil {
		return r, err
	}
	r.Shipments = len(shipments)
	for _, l := range shipments {
		if l.abandoned() {
			id, _ := protocol.ShipmentOf(l.id)
			r.found(Abandoned, id, fmt.Sprintf("its workflow is %s: nobody carries it", l.status), fmt.Sprintf("temporal workflow reset --workflow-id %s --type LastWorkflowTask --reason '...' lets it go on where it stopped", l.id))
		}
	}
	if err := b.findDeliveries(ctx, &r, shipments); err != nil {
		return r, err
	}
	return r, b.findPostings(ctx, &r, shipments, map[int64]bool{})
}

func (r *Report) found(kind Kind, id freight.ShipmentID, detail, do string) {
	r.Findings = append(r.Findings, Finding{kind, id, detail, do})
}

// findDeliveries finds deliveries in Odoo whose shipment does not exist: neither in Temporal, nor closed in the store.
func (b *Books) findDeliveries(ctx context.Context, r *Report, shipments map[string]listed) error {
	return pages(func(after int64) ([]odoo.Claimed, error) { return b.Status.Claimed(ctx, b.Tenant, after, page) }, func(c odoo.Claimed) (int64, error) {
		exists, err := b.exists(ctx, c.Shipment, shipments)
		if err != nil || exists {
			return c.Picking, err
		}
		r.found(NoWorkflow, c.Shipment, fmt.Sprintf("delivery %s is claimed in Odoo, and has no workflow: was Temporal restored, or another namespace used?", c.Name),
			fmt.Sprintf("waybill release %d --tenant %s starts it; what is done is found by its keys", c.Picking, b.Tenant))
		return c.Picking, nil
	})
}

// exists reports whether a shipment has a workflow, or had one and has closed. The list lags: one that is not in it is
// asked for by its id.
func (b *Books) exists(ctx context.Context, id freight.ShipmentID, shipments map[string]listed) (bool, error) {
	if _, ok := shipments[protocol.ShipmentWorkflowID(id)]; ok {
		return true, nil
	}
	_, err := b.Temporal.DescribeWorkflowExecution(ctx, protocol.ShipmentWorkflowID(id), "")
	var none *serviceerror.NotFound
	if !errors.As(err, &none) {
		return err == nil, err
	}
	_, closed, err := b.Store.Final(ctx, id)
	return closed, err
}

// findPostings finds posted invoices that neither their shipment nor the store knows. One whose shipment runs may be
// known to it in a moment: it asks again under the same key.
func (b *Books) findPostings(ctx context.Context, r *Report, shipments map[string]listed, known map[int64]bool) error {
	return pages(func(after int64) ([]odoo.Posting, error) { return b.Money.Postings(ctx, b.Tenant, after, page) }, func(p odoo.Posting) (int64, error) {
		if known[p.Move] {
			return p.Move, nil
		}
		v, _, err := b.Store.View(ctx, p.Shipment)
		if err != nil || v.Invoice != nil && v.Invoice.Move == p.Move {
			return p.Move, err
		}
		if l, ok := shipments[protocol.ShipmentWorkflowID(p.Shipment)]; ok && l.runs() {
			return p.Move, nil
		}
		r.found(NoShipment, p.Shipment, fmt.Sprintf("invoice %s (id %d) is posted in Odoo, and its shipment does not know it", p.Number, p.Move),
			"compare it with the order and the carrier's invoice; if it is wrong, credit it in Odoo")
		return p.Move, nil
	})
}

// pages reads page after page, until one is not full.
func pages[T any](read func(after int64) ([]T, error), take func(T) (id int64, err error)) error {
	for after := int64(0); ; {
		found, err := read(after)
		if err != nil {
			return err
		}
		for _, t := range found {
			if after, err = take(t); err != nil {
				return err
			}
		}
		if len(found) < page {
			return nil
		}
	}
}
