// Package billingtest is a billing engine that really rates from contracts, really refuses, and fails when told
// to. It speaks the API of activities/billing/openapi.yaml.
package billingtest

import (
	"fmt"
	"net/http"
	"sync"

	"github.com/go-chi/chi/v5"

	"waybill/activities/billing"
	"waybill/internal/partner"
	"waybill/internal/partner/partnertest"
	"waybill/workflows/freight"
	"waybill/workflows/protocol"
)

// Engine is the stand-in; its embedded Server has the ways to make it fail.
type Engine struct {
	partnertest.Server

	mu     sync.Mutex
	sell   map[string][]Contract
	buy    map[freight.CarrierCode][]Contract
	drafts map[string]*billing.Draft
	byRef  map[string]string
}

// New makes an engine with the sample contracts.
func New() (*Engine, error) {
	e := &Engine{sell: map[string][]Contract{}, buy: map[freight.CarrierCode][]Contract{}, drafts: map[string]*billing.Draft{}, byRef: map[string]string{}}
	cs, err := Samples()
	if err != nil {
		return nil, err
	}
	for _, c := range cs {
		e.Enter(c)
	}
	r := chi.NewRouter()
	r.Post("/v1/ratings", e.rate)
	r.Put("/v1/contracts/{id}/versions/{version}", e.enter)
	r.Post("/v1/invoice-drafts", e.create)
	r.Get("/v1/invoice-drafts/{id}", e.read)
	r.Post("/v1/invoice-drafts/{id}/commit", e.commit)
	e.Next = r
	e.Pure = func(r *http.Request) bool { return r.URL.Path == "/v1/ratings" || r.Method == http.MethodPut }
	return e, nil
}

// Enter adds a version of a contract.
func (e *Engine) Enter(c Contract) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if c.Carrier != "" {
		e.buy[c.Carrier] = append(e.buy[c.Carrier], c)
		return
	}
	e.sell[c.ID] = append(e.sell[c.ID], c)
}

// Committed lists the drafts that were committed, each once.
func (e *Engine) Committed() (ds []billing.Draft) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, d := range e.drafts {
		if d.Status == "committed" {
			ds = append(ds, *d)
		}
	}
	return ds
}

func (e *Engine) enter(w http.ResponseWriter, r *http.Request) {
	c, ok := partnertest.Read[Contract](w, r)
	if !ok {
		return
	}
	if c.ID != chi.URLParam(r, "id") || c.Version != chi.URLParam(r, "version") {
		partnertest.Refuse(w, partner.Problem{Status: http.StatusUnprocessableEntity, Title: "id and version are not those of the path", Code: "invalid"})
		return
	}
	e.Enter(c)
	partnertest.Answer(w, http.StatusOK, c)
}

func (e *Engine) rate(w http.ResponseWriter, r *http.Request) {
	q, ok := partnertest.Read[protocol.RatingRequest](w, r)
	if !ok {
		return
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	sell, p := pick(e.sell[q.Contract], "contract "+q.Contract, q)
	if p != nil {
		partnertest.Refuse(w, *p)
		return
	}
	var buy *Contract
	if len(q.Charges) > 0 {
		b, p := pick(e.buy[q.Carrier], "contract with carrier "+string(q.Carrier), q)
		if p != nil {
			partnertest.Refuse(w, *p)
			return
		}
		buy = &b
	}
	rating, ok := rate(sell, buy, q)
	if !ok {
		partnertest.Refuse(w, partner.Problem{Status: http.StatusNotFound, Title: "No rate", Code: "no_contract", Detail: fmt.Sprintf("contract %s has no zone for %s %s", sell.ID, q.ShipTo.Country, q.ShipTo.Postcode)})
		return
	}
	partnertest.Answer(w, http.StatusOK, rating)
}

// pick finds the version of a contract that covers the shipment: the one entered last.
func pick(cs []Contract, what string, q protocol.RatingRequest) (Contract, *partner.Problem) {
	why := "there is no " + what
	for i := len(cs) - 1; i >= 0; i-- {
		if why = cs[i].covers(q.ShipDate, q.Currency); why == "" {
			return cs[i], nil
		}
	}
	code := "no_contract"
	if len(cs) > 0 {
		code = "rate_expired"
	}
	return Contract{}, &partner.Problem{Status: http.StatusNotFound, Title: "No contract", Code: code, Detail: why}
}

func (e *Engine) create(w http.ResponseWriter, r *http.Request) {
	n, ok := partnertest.Read[billing.NewDraft](w, r)
	if !ok {
		return
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if id := e.byRef[n.ExternalRef]; id != "" {
		partnertest.Refuse(w, partner.Problem{Status: http.StatusConflict, Title: "external_ref is taken", Code: "duplicate_ref", Existing: id})
		return
	}
	net := freight.ZeroMoney(n.Net.Currency)
	for _, l := range n.Lines {
		a, err := l.Net()
		if err == nil {
			net, err = net.Add(a)
		}
		if err != nil {
			partnertest.Refuse(w, partner.Problem{Status: http.StatusUnprocessableEntity, Title: "A line cannot be added up", Detail: err.Error(), Code: "invalid"})
			return
		}
	}
	if n.ExternalRef == "" || !net.Equal(n.Net) {
		partnertest.Refuse(w, partner.Problem{Status: http.StatusUnprocessableEntity, Title: "net is not the sum of the lines", Detail: net.String(), Code: "invalid"})
		return
	}
	d := &billing.Draft{ID: fmt.Sprintf("D%06d", len(e.drafts)+1), ExternalRef: n.ExternalRef, Status: "draft", Lines: n.Lines, Net: n.Net}
	e.drafts[d.ID], e.byRef[d.ExternalRef] = d, d.ID
	partnertest.Answer(w, http.StatusCreated, d)
}

func (e *Engine) draft(w http.ResponseWriter, r *http.Request) *billing.Draft {
	d := e.drafts[chi.URLParam(r, "id")]
	if d == nil {
		partnertest.Refuse(w, partner.Problem{Status: http.StatusNotFound, Title: "There is no such draft", Code: "unknown"})
	}
	return d
}

func (e *Engine) read(w http.ResponseWriter, r *http.Request) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if d := e.draft(w, r); d != nil {
		partnertest.Answer(w, http.StatusOK, d)
	}
}

func (e *Engine) commit(w http.ResponseWriter, r *http.Request) {
	e.mu.Lock()
	defer e.mu.Unlock()
	d := e.draft(w, r)
	switch {
	case d == nil:
	case d.Status == "void":
		partnertest.Refuse(w, partner.Problem{Status: http.StatusConflict, Title: "The draft is void", Code: "void"})
	default:
		d.Status = "committed"
		partnertest.Answer(w, http.StatusOK, d)
	}
}
