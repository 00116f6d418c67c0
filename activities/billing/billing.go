// Package billing speaks to the billing engine: what the contracts say, and the engine's own record of an
// invoice. The contract of its API is openapi.yaml.
package billing

import (
	"bytes"
	"context"
	_ "embed"
	"fmt"
	"net/http"
	"strings"

	"waybill/internal/partner"
	"waybill/workflows/freight"
	"waybill/workflows/protocol"
)

//go:embed openapi.yaml
var document []byte

// OpenAPI is the contract of the engine's API: an OpenAPI 3.1 document in YAML.
func OpenAPI() []byte { return bytes.Clone(document) }

// The codes of refusals by which the engine says that no contract holds: both are for RATE-3, not for a retry.
const (
	CodeNoContract  = "no_contract"
	CodeRateExpired = "rate_expired" // there is one, not for this ship date
)

// Engine implements the billing activities.
type Engine struct{ Client *partner.Client }

// The states of a draft.
const (
	StatusDraft     = "draft"
	StatusCommitted = "committed"
	StatusVoid      = "void" // it counts no more, and its external_ref is free again
)

// Draft is an invoice in the engine.
type Draft struct {
	ID     string `json:"id"`
	Status string `json:"status"`
	NewDraft
}

// NewDraft asks for an invoice. The engine keeps each value to the letter.
type NewDraft struct {
	ExternalRef string                `json:"external_ref"` // the plan's key; one draft that is not void holds it
	Shipment    freight.ShipmentID    `json:"shipment"`
	Customer    freight.CustomerCode  `json:"customer"`
	Contract    string                `json:"contract"`
	Version     string                `json:"version"`
	RatingHash  string                `json:"rating_hash"`
	Lines       []freight.InvoiceLine `json:"lines"`
	Net         freight.Money         `json:"net"`
}

var lookup = partner.Lookup[Draft]{Path: "/v1/invoice-drafts", List: "drafts"}

// RateShipment asks what the contracts say. No contract is NoContract, with the engine's reason.
func (e *Engine) RateShipment(ctx context.Context, q protocol.RatingRequest) (freight.Rating, error) {
	var r freight.Rating
	err := e.Client.Do(ctx, partner.Call{Method: http.MethodPost, Path: "/v1/ratings", Shipment: q.Shipment, Body: q}, &r)
	if p := partner.ProblemOf(err); p != nil && (p.Code == CodeNoContract || p.Code == CodeRateExpired) {
		return r, protocol.NoContract.Of(p)
	}
	if err != nil {
		return r, err
	}
	return r, usable(r, q)
}

// usable refuses a rating that could not be billed: of another contract, in another currency, in fractions of a cent,
// by a total that is not the sum.
func usable(r freight.Rating, q protocol.RatingRequest) error {
	if r.Contract != q.Contract || r.Version == "" || r.Hash == "" {
		return poison("rated by contract %q version %q, hash %q; asked was %s", r.Contract, r.Version, r.Hash, q.Contract)
	}
	refs := map[string]bool{}
	var sell []freight.Money
	for _, l := range r.Lines {
		switch {
		case l.Ref == "" || refs[l.Ref]:
			return poison("named two rated lines %q", l.Ref)
		case l.Amount.Check() != nil || !l.Amount.Equal(l.Amount.Rounded()):
			return poison("rated line %s at %q, which cannot be billed", l.Ref, l.Amount)
		case l.Side == freight.Sell && l.Amount.Currency != q.Currency:
			return poison("rated line %s at %q, want %s", l.Ref, l.Amount, q.Currency)
		case l.Side == freight.Sell:
			sell = append(sell, l.Amount)
		}
		refs[l.Ref] = true
	}
	sum, err := freight.SumMoney(q.Currency, sell...)
	if err != nil || !sum.Equal(r.Total) {
		return poison("says the total is %s; its lines make %s", r.Total, sum)
	}
	return nil
}

func poison(format string, args ...any) error {
	return protocol.Poison.Of(fmt.Errorf("the billing engine "+format, args...))
}

// CommitDraft makes the engine's record of an invoice and commits it, once for the plan's key. What the engine holds
// under the key is taken over only where it is exactly what was validated.
func (e *Engine) CommitDraft(ctx context.Context, q protocol.DraftRequest) (protocol.Draft, error) {
	d, err := e.ensure(ctx, q)
	if err == nil && d.Status == StatusDraft {
		d, err = e.commit(ctx, d.ID, q)
	}
	if err == nil && d.Status != StatusCommitted {
		err = protocol.Rejected.Of(fmt.Errorf("the billing engine has %s as %q, though it was to be committed: see why there, void it, then resolve with retry", d.ID, d.Status))
	}
	if err != nil {
		return protocol.Draft{}, err
	}
	return protocol.Draft{ID: d.ID}, nil
}

// ensure makes the draft, or finds the one an earlier attempt made.
func (e *Engine) ensure(ctx context.Context, q protocol.DraftRequest) (d Draft, err error) {
	p := q.Plan
	body := NewDraft{ExternalRef: p.Key, Shipment: p.Shipment, Customer: q.Customer, Contract: q.Contract, Version: q.Version, RatingHash: q.RatingHash, Lines: p.Lines, Net: p.Net}
	err = e.Client.Do(ctx, partner.Call{Method: http.MethodPost, Path: "/v1/invoice-drafts", Key: p.Key, Shipment: p.Shipment, Body: body}, &d)
	if partner.Taken(err) {
		d, err = lookup.Holder(ctx, e.Client, p.Key, p.Shipment, err)
	}
	switch {
	case err != nil:
		return d, err
	case d.ID == "":
		return d, poison("answered for %s without an id of its own", p.Key)
	}
	return d, d.mustBe(q)
}

func (e *Engine) commit(ctx context.Context, id string, q protocol.DraftRequest) (d Draft, err error) {
	p := q.Plan
	err = e.Client.Do(ctx, partner.Call{Method: http.MethodPost, Path: "/v1/invoice-drafts/{id}/commit", ID: id, Key: p.Key + "/commit", Shipment: p.Shipment}, &d)
	switch {
	case err != nil:
		return d, err
	case d.ID != id:
		return d, poison("answered for %q, asked to commit %q", d.ID, id)
	}
	return d, d.mustBe(q)
}

// mustBe refuses a draft that is not to the letter what was validated: an auditor compares the two.
func (d Draft) mustBe(q protocol.DraftRequest) error {
	there := q.Plan
	there.Lines = d.Lines
	var other []string
	for _, c := range []struct {
		name string
		same bool
	}{
		{"external_ref", d.ExternalRef == q.Plan.Key}, {"shipment", d.Shipment == q.Plan.Shipment}, {"customer", d.Customer == q.Customer},
		{"contract", d.Contract == q.Contract && d.Version == q.Version}, {"rating", d.RatingHash == q.RatingHash},
		{"lines", there.LinesHash() == q.Plan.LinesHash()}, {"net", d.Net == q.Plan.Net},
	} {
		if !c.same {
			other = append(other, c.name)
		}
	}
	if len(other) == 0 {
		return nil
	}
	return protocol.Rejected.Of(fmt.Errorf("the billing engine has %s under %s and its %s differ from what was validated (%s there, %s validated): void %s there, then resolve with retry",
		d.ID, q.Plan.Key, strings.Join(other, ", "), d.Net, q.Plan.Net, d.ID))
}

// Check proves that the engine answers and takes the token. It changes nothing.
func (e *Engine) Check(ctx context.Context) error { return lookup.Check(ctx, e.Client) }
