// Package finance tells the finance platform of posted invoices. The contract of its API is openapi.yaml.
package finance

import (
	"bytes"
	"context"
	_ "embed"
	"fmt"
	"net/http"

	"waybill/internal/partner"
	"waybill/workflows/freight"
	"waybill/workflows/protocol"
)

//go:embed openapi.yaml
var document []byte

// OpenAPI is the contract of the platform's API: an OpenAPI 3.1 document in YAML.
func OpenAPI() []byte { return bytes.Clone(document) }

// Platform implements the finance activities.
type Platform struct{ Client *partner.Client }

// Posting is a posted invoice as the platform has it.
type Posting struct {
	Number string `json:"number"` // the platform's own
	NewPosting
}

// NewPosting tells of a posted invoice. The platform keeps each value to the letter.
type NewPosting struct {
	ExternalRef string               `json:"external_ref"` // the invoice's key; one posting holds it
	Shipment    freight.ShipmentID   `json:"shipment"`
	Customer    freight.CustomerCode `json:"customer"`
	Order       string               `json:"order"`
	Invoice     string               `json:"invoice"` // Odoo's number
	Date        string               `json:"date"`    // YYYY-MM-DD
	Net         freight.Money        `json:"net"`
	Tax         freight.Money        `json:"tax"`
	Total       freight.Money        `json:"total"`
}

var lookup = partner.Lookup[Posting]{Path: "/v1/postings", List: "postings"}

// TellFinance tells the platform of an invoice, once for its key, and answers with its number there.
func (f *Platform) TellFinance(ctx context.Context, q protocol.FinanceNotice) (protocol.FinanceReceipt, error) {
	i := q.Invoice
	want := NewPosting{ExternalRef: q.Key, Shipment: q.Shipment, Customer: q.Customer, Order: q.OrderName, Invoice: i.Number, Date: i.Date, Net: i.Net, Tax: i.Tax, Total: i.Total}
	var got Posting
	err := f.Client.Do(ctx, partner.Call{Method: http.MethodPost, Path: "/v1/postings", Key: q.Key, Shipment: q.Shipment, Body: want}, &got)
	if partner.Taken(err) {
		got, err = lookup.Holder(ctx, f.Client, q.Key, q.Shipment, err)
	}
	switch {
	case err != nil:
		return protocol.FinanceReceipt{}, err
	case got.Number == "":
		return protocol.FinanceReceipt{}, protocol.Poison.Of(fmt.Errorf("the finance platform answered for %s without a number of its own", q.Key))
	case got.NewPosting != want:
		return protocol.FinanceReceipt{}, protocol.Rejected.Of(fmt.Errorf("the finance platform has %s under %s as %s, not as %s: correct %s there, then resolve with retry",
			got.Number, q.Key, got.NewPosting, want, got.Number))
	}
	return protocol.FinanceReceipt{Number: got.Number}, nil
}

// String is what a person compares: "INV/2026/00042 of 2026-10-05 for acme-1042, S00042 of ACME, 100.00 EUR and 19.00 EUR tax".
func (n NewPosting) String() string {
	return fmt.Sprintf("%s of %s for %s, %s of %s, %s and %s tax", n.Invoice, n.Date, n.Shipment, n.Order, n.Customer, n.Net, n.Tax)
}

// Check proves that the platform answers and takes the token. It changes nothing.
func (f *Platform) Check(ctx context.Context) error { return lookup.Check(ctx, f.Client) }
