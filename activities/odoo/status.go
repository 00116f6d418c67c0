package odoo

import (
	"context"
	"encoding/base64"
	"fmt"
	"regexp"
	"strings"
	"time"

	"waybill/workflows/freight"
	"waybill/workflows/protocol"
)

// The fields Setup makes. A shipment is one delivery, so they are on stock.picking; those of the same name on
// sale.order are computed from its deliveries by Odoo itself.
const (
	fieldShipment     = "x_waybill_shipment"
	fieldStatus       = "x_waybill_status"
	fieldSince        = "x_waybill_since"
	fieldETA          = "x_waybill_eta"
	fieldInvoiceState = "x_waybill_invoice_state"
	fieldException    = "x_waybill_exception"
	fieldTracking     = "x_waybill_tracking"
	fieldRevision     = "x_waybill_revision"
	fieldLinesHash    = "x_waybill_lines_hash"
)

// Documents reads the documents that scans brought.
type Documents interface {
	Document(ctx context.Context, sha256 string) (body []byte, mediaType, signer string, err error)
}

// Status writes what customer service reads. Its user has no accounting rights.
type Status struct {
	Odoo      Caller
	Documents Documents
	// Attempt says how often an activity has been tried, from 1: a second attempt makes sure.
	Attempt func(context.Context) int32
}

var claimSpec = func() spec {
	partner := with(fields("zip"), "country_id", fields("code"))
	order := fields("name", "state", "client_order_ref")
	order = with(order, "currency_id", fields("name"))
	order = with(order, "partner_shipping_id", partner)
	order = with(order, "partner_invoice_id", with(fields("active"), "commercial_partner_id", fields("ref")))
	s := fields("name", "state", "picking_type_code", fieldShipment, "weight", "company_id")
	s = with(s, "sale_id", order)
	s = with(s, "partner_id", partner)
	s = with(s, "carrier_id", with(spec{}, "product_id", fields("default_code")))
	return with(s, "move_ids", fields("product_uom_qty"))
}()

// ClaimDelivery marks a delivery as carried by a shipment and answers with the facts the shipment starts from.
// Claimed by the same shipment before, it answers the same; by another, it is not ours.
func (s *Status) ClaimDelivery(ctx context.Context, q protocol.ClaimRequest) (freight.Release, error) {
	ctx = For(ctx, q.Shipment)
	p, ok, err := readOne(ctx, s.Odoo, "stock.picking", q.Picking, claimSpec)
	if err != nil {
		return freight.Release{}, cross(err)
	}
	if why := unclaimable(p, ok, q); why != "" {
		return freight.Release{}, protocol.NotOurs.Of(fmt.Errorf("delivery %d %s", q.Picking, why))
	}
	if p.str(fieldShipment) == "" {
		_, err = s.Odoo.Call(ctx, "stock.picking", "write", []any{[]int64{q.Picking}, map[string]any{
			fieldShipment: string(q.Shipment), fieldStatus: string(freight.StatusReleased), fieldInvoiceState: string(freight.InvoiceNone)}}, nil)
		if err != nil {
			return freight.Release{}, cross(err)
		}
	}
	return releaseOf(p), nil
}

func unclaimable(p rec, found bool, q protocol.ClaimRequest) string {
	switch holder := p.str(fieldShipment); {
	case !found:
		return "is not there: it was deleted in Odoo"
	case p.str("picking_type_code") != "outgoing":
		return "is no outgoing one"
	case p.str("state") == "cancel":
		return "is cancelled in Odoo"
	case holder != "" && holder != string(q.Shipment):
		return "is carried by shipment " + holder
	case p.sub("sale_id").id("id") == 0:
		return "belongs to no sales order"
	case p.sub("sale_id").str("state") != "sale":
		return "belongs to an order that is not confirmed"
	}
	return ""
}

// carrierForm is what a delivery product's internal reference looks like where it is a carrier's code.
var carrierForm = regexp.MustCompile(`^[A-Z0-9]{2,10}$`)

func releaseOf(p rec) freight.Release {
	order := p.sub("sale_id")
	commercial := order.sub("partner_invoice_id").sub("commercial_partner_id")
	r := freight.Release{
		Picking: p.id("id"), PickingName: p.str("name"), Order: order.id("id"), OrderName: order.str("name"),
		CustomerPO: order.str("client_order_ref"), Customer: CustomerCode(commercial.str("ref"), commercial.id("id")),
		Partner: order.sub("partner_invoice_id").id("id"), Company: p.id("company_id"), Currency: order.sub("currency_id").str("name"),
		Weight: p.dec("weight"), Pieces: len(p.list("move_ids")),
	}
	if code := p.sub("carrier_id").sub("product_id").str("default_code"); carrierForm.MatchString(code) {
		r.Carrier = freight.CarrierCode(code)
	}
	to := p.sub("partner_id")
	if to.id("id") == 0 {
		to = order.sub("partner_shipping_id")
	}
	r.ShipTo = freight.Place{Ref: to.id("id"), Country: to.sub("country_id").str("code"), Postcode: to.str("zip")}
	if commercial.str("ref") == "" {
		r.Missing = append(r.Missing, "the customer has no reference in Odoo, so no policy of its own applies")
	}
	if r.ShipTo.Postcode == "" {
		r.Missing = append(r.Missing, "the delivery address has no postcode, so no zone can be found")
	}
	return r
}

// CustomerCode is the customer's reference in Odoo, or "P<id>" where it has none: never a name.
func CustomerCode(ref string, partner int64) freight.CustomerCode {
	if ref != "" {
		return freight.CustomerCode(ref)
	}
	return freight.CustomerCode(fmt.Sprintf("P%d", partner))
}

// UpdateStatus writes the report to the delivery, and files its proof. An order shows what its deliveries show.
// A newer revision that is there already stays.
func (s *Status) UpdateStatus(ctx context.Context, q protocol.StatusUpdate) (out protocol.StatusWritten, err error) {
	ctx = For(ctx, q.Shipment)
	if q.Sure || s.Attempt(ctx) > 1 {
		out.Superseded, err = s.writeSurely(ctx, q)
	} else {
		err = s.write(ctx, q)
	}
	if err != nil {
		return out, cross(err)
	}
	if q.Proof != nil {
		out.Attachments, err = s.fileProof(ctx, *q.Proof)
	}
	return out, err
}

func (s *Status) write(ctx context.Context, q protocol.StatusUpdate) error {
	values := map[string]any{
		fieldRevision: q.Revision, fieldStatus: string(q.Report.Status), fieldSince: odooTime(q.Report.Since), fieldETA: odooTime(q.Report.ETA),
		fieldInvoiceState: string(q.Report.InvoiceState), fieldException: text(q.Report.Exception), fieldTracking: text(q.Report.Tracking),
	}
	_, err := s.Odoo.Call(ctx, "stock.picking", "write", []any{[]int64{q.Picking}, values}, nil)
	return ignoreCommitted(err)
}

// writeSurely is for when an earlier write may still arrive: it reads before and after, until what is there is
// ours or newer.
func (s *Status) writeSurely(ctx context.Context, q protocol.StatusUpdate) (superseded bool, err error) {
	const tries = 3
	for range tries {
		there, err := s.revision(ctx, q.Picking)
		if err != nil || there > q.Revision {
			return there > q.Revision, err
		}
		if err := s.write(ctx, q); err != nil {
			return false, err
		}
		if there, err = s.revision(ctx, q.Picking); err != nil || there >= q.Revision {
			return there > q.Revision, err
		}
	}
	return false, fmt.Errorf("%w: status revision %d is overwritten by older ones", errGarbled, q.Revision)
}

func (s *Status) revision(ctx context.Context, picking int64) (int64, error) {
	rs, err := searchRead(ctx, s.Odoo, "stock.picking", []any{[]any{"id", "=", picking}}, []string{fieldRevision}, nil)
	if err != nil || len(rs) == 0 {
		return 0, err
	}
	return rs[0].id(fieldRevision), nil
}

// fileProof attaches each document to the delivery, once by its hash.
func (s *Status) fileProof(ctx context.Context, q protocol.ProofRequest) (ids []int64, err error) {
	for _, d := range q.Documents {
		body, mediaType, signer, err := s.Documents.Document(ctx, d.SHA256)
		if err != nil {
			return ids, protocol.Transient.Of(err)
		}
		row := []any{"waybill.pod_" + string(q.Shipment) + "_" + d.SHA256[:min(16, len(d.SHA256))], proofName(q, d), "stock.picking", q.Picking, mediaType, base64.StdEncoding.EncodeToString(body), description(signer)}
		l, err := load(ctx, s.Odoo, "ir.attachment", []string{"id", "name", "res_model", "res_id", "mimetype", "datas", "description"}, [][]any{row})
		if err != nil {
			return ids, cross(err)
		}
		if len(l.ids) == 0 {
			return ids, loadFault("file the proof", l.message)
		}
		ids = append(ids, l.ids[0])
	}
	return ids, nil
}

func proofName(q protocol.ProofRequest, d freight.DocumentRef) string {
	ending := map[string]string{"application/pdf": ".pdf", "image/png": ".png", "image/jpeg": ".jpg", "image/tiff": ".tif"}[d.MediaType]
	return fmt.Sprintf("%s %s %s%s", strings.ToUpper(string(d.Kind)), q.Shipment, q.Delivered.UTC().Format(dateForm), ending)
}

func description(signer string) any {
	if signer == "" {
		return false
	}
	return "signed by " + signer
}

// loadFault classifies what load says in its messages rather than by a fault.
func loadFault(what, message string) error {
	err := fmt.Errorf("odoo: %s: %s", what, strings.TrimSpace(message))
	switch {
	case contended(message):
		return protocol.Transient.After(err, 200*time.Millisecond)
	case strings.Contains(message, "not allowed to"), strings.Contains(message, "security restrictions"):
		return protocol.Configuration.Of(err)
	}
	return protocol.Rejected.Of(err)
}
