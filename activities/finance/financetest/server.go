// Package financetest is a finance platform that numbers what it is told. It speaks the API of
// activities/finance/openapi.yaml.
package financetest

import (
	"fmt"
	"net/http"
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

// New makes a platform without postings.
func New() *Platform {
	p := &Platform{}
	r := chi.NewRouter()
	r.Post("/v1/postings", p.create)
	r.Get("/v1/postings/{number}", p.read)
	p.Next = r
	return p
}

// Postings lists what the platform was told, each once.
func (p *Platform) Postings() []finance.Posting {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]finance.Posting(nil), p.postings...)
}

func (p *Platform) create(w http.ResponseWriter, r *http.Request) {
	q, ok := partnertest.Read[finance.Posting](w, r)
	if !ok {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, known := range p.postings {
		if known.ExternalRef == q.ExternalRef {
			partnertest.Refuse(w, partner.Problem{Status: http.StatusConflict, Title: "external_ref is taken", Code: "duplicate_ref", Existing: known.Number})
			return
		}
	}
	if sum, err := freight.SumMoney(q.Total.Currency, q.Net, q.Tax); err != nil || !sum.Equal(q.Total) || q.ExternalRef == "" || q.Number != "" {
		partnertest.Refuse(w, partner.Problem{Status: http.StatusUnprocessableEntity, Title: "net and tax do not make the total, or external_ref is missing", Code: "invalid"})
		return
	}
	q.Number = fmt.Sprintf("F%06d", len(p.postings)+1)
	p.postings = append(p.postings, q)
	partnertest.Answer(w, http.StatusCreated, q)
}

func (p *Platform) read(w http.ResponseWriter, r *http.Request) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, q := range p.postings {
		if q.Number == chi.URLParam(r, "number") {
			partnertest.Answer(w, http.StatusOK, q)
			return
		}
	}
	partnertest.Refuse(w, partner.Problem{Status: http.StatusNotFound, Title: "There is no such posting", Code: "unknown"})
}
