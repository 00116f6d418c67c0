package odoo

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"strings"

	"waybill/internal/sabotage"
	"waybill/workflows/freight"
	"waybill/workflows/protocol"
)

// ourPrefix begins the name of each field that Setup makes.
const ourPrefix = "x_waybill_"

// The fields Setup makes. A shipment is one delivery, so they are on stock.picking; those of the same name on
// sale.order are computed from its deliveries by Odoo itself.
const (
	fieldShipment     = ourPrefix + "shipment"
	fieldStatus       = ourPrefix + "status"
	fieldSince        = ourPrefix + "since"
	fieldETA          = ourPrefix + "eta"
	fieldInvoiceState = ourPrefix + "invoice_state"
	fieldException    = ourPrefix + "exception"
	fieldTracking     = ourPrefix + "tracking"
	fieldRevision     = ourPrefix + "revision"
	fieldProof        = ourPrefix + "proof"
	fieldPromise      = ourPrefix + "promise"
	fieldNext         = ourPrefix + "next_step"
	fieldOwner        = ourPrefix + "next_step_owner"
	fieldDue          = ourPrefix + "next_step_due"
	fieldNotes        = ourPrefix + "notes"
	fieldNoted        = ourPrefix + "noted"
	fieldLinesHash    = ourPrefix + "lines_hash"
)

// Documents reads the documents that scans brought.
type Documents interface {
	Document(ctx context.Context, sha256 string) (body []byte, mediaType, signer string, err error)
}

// Status writes what customer service reads. Its user has no accounting rights.
type Status struct {
	Odoo      Caller
	Documents Documents
}

// What the rule that Setup makes says when it refuses a write; see guardCode.
const (
	carriedBy  = "is carried by shipment"
	showsNewer = "shows a newer revision"
)

// guarded reports whether the rule refused a write, and what it said of the delivery.
func guarded(err error) (why string, no bool) {
	text, ok := faultText(err, codeBusiness)
	for _, said := range []string{carriedBy, showsNewer} {
		if i := strings.Index(text, said); ok && i >= 0 {
			return text[i:], true
		}
	}
	return "", false
}

// UpdateStatus writes the report to the delivery, with its proof and what is to be noted in the order's chatter. An
// order shows what its deliveries show. Odoo refuses a revision older than the one that is there, however late
// the write arrives; such a one is superseded.
func (s *Status) UpdateStatus(ctx context.Context, q protocol.StatusUpdate) (out protocol.StatusWritten, err error) {
	ctx = For(ctx, q.Shipment)
	filed, unfiled := s.fileProof(ctx, q.Proof)
	out.Attachments = attachments(filed)
	out.Superseded, err = s.write(ctx, q, filed)
	if err != nil {
		return out, cross(err)
	}
	return out, cross(unfiled) // the status is shown all the same
}

func (s *Status) write(ctx context.Context, q protocol.StatusUpdate, filed []filing) (superseded bool, err error) {
	values := map[string]any{
		fieldShipment: string(q.Shipment), fieldRevision: q.Revision, fieldStatus: string(q.Report.Status), fieldSince: odooTime(q.Report.Since), fieldETA: odooTime(q.Report.ETA),
		fieldInvoiceState: string(q.Report.InvoiceState), fieldException: text(q.Report.Exception), fieldTracking: text(q.Report.Tracking),
		fieldPromise: text(string(q.Report.SLA)), fieldNext: text(q.Report.Next), fieldOwner: text(string(q.Report.Owner)), fieldDue: odooTime(q.Report.Due),
	}
	if sabotage.Status {
		delete(values, fieldRevision)
	}
	p := placeOf(q.Picking, q.Order)
	notes := noted(q.Chatter)
	maps.Copy(values, notes)
	err = s.save(ctx, p, values, filed)
	why, no := guarded(err)
	switch {
	case no && strings.HasPrefix(why, carriedBy):
		return false, protocol.NotOurs.Of(errors.New("the delivery " + why))
	case no && len(filed)+len(notes) > 0:
		return true, s.save(ctx, p, notes, filed)
	}
	if no {
		return true, nil
	}
	return false, err
}

// noted are notes as the rule of Setup reads them, each a line with its number before it; none for none.
func noted(ns []freight.ChatterNote) map[string]any {
	var lines []string
	for _, n := range ns {
		lines = append(lines, fmt.Sprintf("%d %s", n.N, strings.Join(strings.Fields(n.Text), " ")))
	}
	if len(lines) == 0 {
		return map[string]any{}
	}
	return map[string]any{fieldNotes: strings.Join(lines, "\n")}
}

// save writes to what shows the shipment. What was filed is linked with the same call, and read back with it.
func (s *Status) save(ctx context.Context, p place, values map[string]any, filed []filing) error {
	if len(filed) == 0 {
		_, err := s.Odoo.Call(ctx, p.model, "write", []any{[]int64{p.id}, p.named(values)}, nil)
		return ignoreCommitted(err)
	}
	values[fieldProof] = links(filed)
	v, err := s.Odoo.Call(ctx, p.model, "web_save", []any{[]int64{p.id}, p.named(values), map[string]any(with(spec{}, p.field(fieldProof), fields("checksum")))}, nil)
	if err != nil {
		return err
	}
	rs, err := records(v)
	if err != nil || len(rs) == 0 {
		return err
	}
	return verify(rs[0].list(p.field(fieldProof)), filed)
}
