// Package financetest is a finance platform that numbers what it is told. It speaks the API of
// activities/finance/openapi.yaml.
package financetest

import (
	"fmt"
	"net/http"
	"slices"
	"sync"

	"github.com/go-chi/chi/v5"

	"waybill/activities/finance"
	"waybill/internal/partner"
	"waybill/internal/partner/partnertest"
	"waybill/workflows/freight"
)

// Platform is the stand-in; its embedded Server has the ways to make it fail.
type Platform struct {
	partnertest.Server

	mu       sync.Mutex
	postings []finance.Posting
}

// contract is read once: it takes longer than all a stand-in does.
var contract = sync.OnceValue(func() *partnertest.Contract { return partnertest.MustContract(finance.OpenAPI()) })

// New makes a platform without postings.
func New() *Platform {
	p := &Platform{}
	r := partnertest.Router()
	r.Post("/v1/postings", p.create)
	r.Get("/v1/postings", p.find)
	r.Get("/v1/postings/{id}", p.read)
	p.Next, p.Contract = r, contract()
	return p
}

// Postings lists what the platform was told, each once.
func (p *Platform) Postings() []finance.Posting {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.postings)
}

func (p *Platform) create(w http.ResponseWriter, r *http.Request) {
	n, ok := partnertest.Read[finance.NewPosting](&p.Server, w, r, "NewPosting")
	if !ok {
		return
	}
	q, err := p.add(n)
	partnertest.Reply(w, http.StatusCreated, q, err)
}

func (p *Platform) add(n finance.NewPosting) (finance.Posting, error) {
	if n.Net.Currency != n.Total.Currency || n.Tax.Currency != n.Total.Currency {
		return finance.Posting{}, partnertest.Invalid("currency_mismatch", "net, tax and total are in one currency", partner.FieldError{Pointer: "/total/currency", Code: "currency"})
	}
	if sum, err := freight.SumMoney(n.Total.Currency, n.Net, n.Tax); err != nil || !sum.Equal(n.Total) {
		return finance.Posting{}, partnertest.Invalid("", fmt.Sprintf("net and tax make %s, total says %s", sum, n.Total), partner.FieldError{Pointer: "/total", Code: "sum"})
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, known := range p.postings {
		if known.ExternalRef == n.ExternalRef {
			return finance.Posting{}, partnertest.Taken(n.ExternalRef, known.Number)
		}
	}
	q := finance.Posting{Number: fmt.Sprintf("F%06d", len(p.postings)+1), NewPosting: n}
	p.postings = append(p.postings, q)
	return q, nil
}

func (p *Platform) find(w http.ResponseWriter, r *http.Request) {
	ref, ok := partnertest.Reference(w, r)
	if !ok {
		return
	}
	found := []finance.Posting{}
	for _, q := range p.Postings() {
		if q.ExternalRef == ref {
			found = append(found, q)
		}
	}
	partnertest.Answer(w, http.StatusOK, map[string]any{"postings": found})
}

func (p *Platform) read(w http.ResponseWriter, r *http.Request) {
	for _, q := range p.Postings() {
		if q.Number == chi.URLParam(r, "id") {
			partnertest.Answer(w, http.StatusOK, q)
			return
		}
	}
	partnertest.Reply(w, 0, nil, partnertest.Unknown("posting"))
}
