// Package finance tells the finance platform of posted invoices. The contract of its API is openapi.yaml.
package finance

import (
	"context"
	"fmt"
	"net/http"
	"net/url"

	"waybill/internal/partner"
	"waybill/workflows/freight"
	"waybill/workflows/protocol"
)

// Platform implements the finance activities.
type Platform struct{ Client *partner.Client }

// Posting is a posted invoice as the platform has it.
type Posting struct {
	Number      string               `json:"number,omitzero"` // the platform's own
	ExternalRef string               `json:"external_ref"`
	Shipment    freight.ShipmentID   `json:"shipment"`
	Customer    freight.CustomerCode `json:"customer"`
	Order       string               `json:"order"`
	Invoice     string               `json:"invoice"` // Odoo's number
	Date        string               `json:"date"`    // YYYY-MM-DD
	Net         freight.Money        `json:"net"`
	Tax         freight.Money        `json:"tax"`
	Total       freight.Money        `json:"total"`
}

// TellFinance tells the platform of an invoice, once for its key, and answers with its number there.
func (f *Platform) TellFinance(ctx context.Context, q protocol.FinanceNotice) (protocol.FinanceReceipt, error) {
	want := Posting{ExternalRef: q.Key, Shipment: q.Shipment, Customer: q.Customer, Order: q.OrderName, Invoice: q.Invoice.Number, Date: q.Invoice.Date, Net: q.Invoice.Net, Tax: q.Invoice.Tax, Total: q.Invoice.Total}
	var got Posting
	err := f.Client.Do(ctx, partner.Call{Method: http.MethodPost, Path: "/v1/postings", Key: q.Key, Shipment: q.Shipment, Body: want}, &got)
	if p := partner.ProblemOf(err); p != nil && p.Existing != "" {
		err = f.Client.Do(ctx, partner.Call{Method: http.MethodGet, Path: "/v1/postings/" + url.PathEscape(p.Existing), Shipment: q.Shipment}, &got)
	}
	if err != nil {
		return protocol.FinanceReceipt{}, err
	}
	if got.Invoice != want.Invoice || !got.Total.Equal(want.Total) {
		return protocol.FinanceReceipt{}, protocol.Rejected.Of(fmt.Errorf("the finance platform has %s as %s over %s, not %s over %s: correct it there and retry", q.Key, got.Invoice, got.Total, want.Invoice, want.Total))
	}
	return protocol.FinanceReceipt{Number: got.Number}, nil
}
