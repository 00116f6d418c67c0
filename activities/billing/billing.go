// Package billing speaks to the billing engine: what the contracts say, and the engine's own record of an
// invoice. The contract of its API is openapi.yaml.
package billing

import (
	"context"
	"fmt"
	"net/http"
	"net/url"

	"waybill/internal/partner"
	"waybill/workflows/freight"
	"waybill/workflows/protocol"
)

// Engine implements the billing activities.
type Engine struct{ Client *partner.Client }

// Draft is an invoice in the engine.
type Draft struct {
	ID          string                `json:"id"`
	ExternalRef string                `json:"external_ref"`
	Status      string                `json:"status"` // draft, committed, void
	Lines       []freight.InvoiceLine `json:"lines"`
	Net         freight.Money         `json:"net"`
}

// NewDraft asks for an invoice.
type NewDraft struct {
	ExternalRef string                `json:"external_ref"`
	Shipment    freight.ShipmentID    `json:"shipment"`
	Customer    freight.CustomerCode  `json:"customer"`
	Contract    string                `json:"contract"`
	Version     string                `json:"version"`
	RatingHash  string                `json:"rating_hash"`
	Lines       []freight.InvoiceLine `json:"lines"`
	Net         freight.Money         `json:"net"`
}

// RateShipment asks what the contracts say. No contract is NoContract, with the engine's reason.
func (e *Engine) RateShipment(ctx context.Context, q protocol.RatingRequest) (freight.Rating, error) {
	var r freight.Rating
	err := e.Client.Do(ctx, partner.Call{Method: http.MethodPost, Path: "/v1/ratings", Shipment: q.Shipment, Body: q}, &r)
	if p := partner.ProblemOf(err); p != nil && (p.Code == "no_contract" || p.Code == "rate_expired") {
		return r, protocol.NoContract.Of(p)
	}
	if err != nil {
		return r, err
	}
	return r, usable(r, q)
}

// usable refuses a rating that could not be billed: another currency, a line without an amount.
func usable(r freight.Rating, q protocol.RatingRequest) error {
	for _, l := range r.Lines {
		if l.Amount.Check() != nil || l.Side == freight.Sell && l.Amount.Currency != q.Currency {
			return protocol.Poison.Of(fmt.Errorf("the billing engine rated line %s at %q, want %s", l.Ref, l.Amount, q.Currency))
		}
	}
	var sell []freight.Money
	for _, l := range r.Sell() {
		sell = append(sell, l.Amount)
	}
	sum, err := freight.SumMoney(q.Currency, sell...)
	if err != nil || !sum.Equal(r.Total) {
		return protocol.Poison.Of(fmt.Errorf("the billing engine's total %s is not the sum of its lines %s", r.Total, sum))
	}
	return nil
}

// CommitDraft makes the engine's record of an invoice and commits it, once for the plan's key.
func (e *Engine) CommitDraft(ctx context.Context, q protocol.DraftRequest) (protocol.Draft, error) {
	d, err := e.ensure(ctx, q)
	if err != nil {
		return protocol.Draft{}, err
	}
	if !d.Net.Equal(q.Plan.Net) || len(d.Lines) != len(q.Plan.Lines) {
		return protocol.Draft{}, protocol.Rejected.Of(fmt.Errorf("the billing engine has %s under %s over %s, not %s: void it there and retry", d.ID, d.ExternalRef, d.Net, q.Plan.Net))
	}
	if d.Status == "draft" {
		err = e.Client.Do(ctx, partner.Call{Method: http.MethodPost, Path: "/v1/invoice-drafts/" + url.PathEscape(d.ID) + "/commit", Key: q.Plan.Key + "/commit", Shipment: q.Plan.Shipment}, &d)
	}
	if err == nil && d.Status != "committed" {
		err = protocol.Rejected.Of(fmt.Errorf("the billing engine has %s as %s: make a new one there, or bill by hand", d.ID, d.Status))
	}
	return protocol.Draft{ID: d.ID}, err
}

// ensure makes the draft, or finds the one an earlier attempt made.
func (e *Engine) ensure(ctx context.Context, q protocol.DraftRequest) (Draft, error) {
	p := q.Plan
	body := NewDraft{ExternalRef: p.Key, Shipment: p.Shipment, Customer: q.Customer, Contract: q.Contract, Version: q.Version, RatingHash: q.RatingHash, Lines: p.Lines, Net: p.Net}
	var d Draft
	err := e.Client.Do(ctx, partner.Call{Method: http.MethodPost, Path: "/v1/invoice-drafts", Key: p.Key, Shipment: p.Shipment, Body: body}, &d)
	if prob := partner.ProblemOf(err); prob != nil && prob.Existing != "" {
		err = e.Client.Do(ctx, partner.Call{Method: http.MethodGet, Path: "/v1/invoice-drafts/" + url.PathEscape(prob.Existing), Shipment: p.Shipment}, &d)
	}
	return d, err
}
