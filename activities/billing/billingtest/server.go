// Package billingtest is a billing engine that really rates from contracts, really refuses, and fails when told
// to. It speaks the API of activities/billing/openapi.yaml.
package billingtest

import (
	"fmt"
	"net/http"
	"slices"
	"sync"

	"github.com/go-chi/chi/v5"

	"waybill/activities/billing"
	"waybill/internal/partner"
	"waybill/internal/partner/partnertest"
	"waybill/workflows/freight"
	"waybill/workflows/protocol"
)

// The codes of refusals that are the engine's own.
const (
	codeCurrency = "currency_mismatch"
	codeUnit     = "unit_mismatch"
	codeContract = "unknown_contract"
	codeVersion  = "version_exists"
	codeVoid     = "void"
)

// Engine is the stand-in; its embedded Server has the ways to make it fail.
type Engine struct {
	partnertest.Server

	mu        sync.Mutex
	contracts []Contract // as they were entered
	drafts    []*draft   // as they were made
}

type draft struct {
	billing.Draft
	keys []string // under which it was made or committed
}

// contract is read once: it takes longer than all a stand-in does.
var contract = sync.OnceValue(func() *partnertest.Contract { return partnertest.MustContract(billing.OpenAPI()) })

// New makes an engine with the sample contracts.
func New() (*Engine, error) {
	e := &Engine{}
	cs, err := Samples()
	if err != nil {
		return nil, err
	}
	for _, c := range cs {
		if err := e.Enter(c); err != nil {
			return nil, fmt.Errorf("sample contract %s: %w", c.ID, err)
		}
	}
	r := partnertest.Router()
	r.Post("/v1/ratings", e.rate)
	r.Put("/v1/contracts/{id}/versions/{version}", e.enter)
	r.Get("/v1/contracts/{id}/versions/{version}", e.contract)
	r.Post("/v1/invoice-drafts", e.create)
	r.Get("/v1/invoice-drafts", e.find)
	r.Get("/v1/invoice-drafts/{id}", e.read)
	r.Post("/v1/invoice-drafts/{id}/commit", e.commit)
	r.Post("/v1/invoice-drafts/{id}/void", e.void)
	e.Next, e.Contract = r, contract()
	e.Pure = func(r *http.Request) bool { return r.URL.Path == "/v1/ratings" }
	return e, nil
}

// Enter adds a version of a contract. A version never changes: entered again with other terms it is an error.
func (e *Engine) Enter(c Contract) error {
	if err := c.check(); err != nil {
		return err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	known, ok := e.version(c.ID, c.Version)
	switch {
	case !ok:
		e.contracts = append(e.contracts, c)
	case !known.same(c):
		return &partner.Problem{Status: http.StatusConflict, Title: "The version exists with other terms", Detail: c.name() + " was entered with other terms: enter a new version", Code: codeVersion}
	}
	return nil
}

func (e *Engine) version(id, version string) (Contract, bool) {
	for _, c := range e.contracts {
		if c.ID == id && c.Version == version {
			return c, true
		}
	}
	return Contract{}, false
}

// Drafts lists every draft as it stands, in the order they were made.
func (e *Engine) Drafts() (ds []billing.Draft) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, d := range e.drafts {
		ds = append(ds, d.Draft)
	}
	return ds
}

// Committed lists the drafts that are committed, each once.
func (e *Engine) Committed() []billing.Draft {
	return slices.DeleteFunc(e.Drafts(), func(d billing.Draft) bool { return d.Status != billing.StatusCommitted })
}

func (e *Engine) enter(w http.ResponseWriter, r *http.Request) {
	c, ok := partnertest.Read[Contract](&e.Server, w, r, "Contract")
	if !ok {
		return
	}
	if c.ID != chi.URLParam(r, "id") || c.Version != chi.URLParam(r, "version") {
		partnertest.Refuse(w, *partnertest.Invalid("", "id and version are not those of the path", partner.FieldError{Pointer: "/id", Code: "path"}))
		return
	}
	partnertest.Reply(w, http.StatusOK, c, e.Enter(c))
}

func (e *Engine) contract(w http.ResponseWriter, r *http.Request) {
	e.mu.Lock()
	defer e.mu.Unlock()
	c, ok := e.version(chi.URLParam(r, "id"), chi.URLParam(r, "version"))
	if !ok {
		partnertest.Reply(w, 0, nil, partnertest.Unknown("version"))
		return
	}
	partnertest.Answer(w, http.StatusOK, c)
}

func (e *Engine) rate(w http.ResponseWriter, r *http.Request) {
	q, ok := partnertest.Read[protocol.RatingRequest](&e.Server, w, r, "RatingRequest")
	if !ok {
		return
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	rating, err := e.answer(q)
	partnertest.Reply(w, http.StatusOK, rating, err)
}

func (e *Engine) answer(q protocol.RatingRequest) (freight.Rating, error) {
	if err := checkCharges(q.Charges); err != nil {
		return freight.Rating{}, err
	}
	sell, err := e.pick("contract "+q.Contract, q, func(c Contract) bool { return c.Carrier == "" && c.ID == q.Contract && c.Currency == q.Currency })
	if err != nil {
		return freight.Rating{}, err
	}
	if len(q.Charges) == 0 {
		return rate(sell, nil, q)
	}
	buy, err := e.pick("contract with carrier "+string(q.Carrier), q, func(c Contract) bool { return c.Carrier != "" && c.Carrier == q.Carrier })
	if err != nil {
		return freight.Rating{}, err
	}
	return rate(sell, &buy, q)
}

// checkCharges refuses what the lines could not be told apart by, and amounts in no currency.
func checkCharges(cs []freight.Charge) error {
	refs := map[string]bool{}
	for i, c := range cs {
		at := fmt.Sprintf("/charges/%d", i)
		if refs[c.Ref] {
			return partnertest.Invalid("", "two charges have one ref", partner.FieldError{Pointer: at + "/ref", Code: "duplicate", Detail: c.Ref})
		}
		if err := c.Amount.Check(); err != nil {
			return partnertest.Invalid("", err.Error(), partner.FieldError{Pointer: at + "/amount", Code: "currency"})
		}
		refs[c.Ref] = true
	}
	return nil
}

// pick finds the version that covers the ship date among the contracts that fit: the one entered last.
func (e *Engine) pick(what string, q protocol.RatingRequest, fits func(Contract) bool) (Contract, error) {
	err := missing(billing.CodeNoContract, "there is no %s in %s: enter one", what, q.Currency)
	for _, c := range slices.Backward(e.contracts) {
		if !fits(c) {
			continue
		}
		day := c.day(q.ShipDate)
		if c.From <= day && day <= c.To {
			return c, nil
		}
		err = missing(billing.CodeRateExpired, "%s holds from %s to %s, the shipment left on %s: enter a version for that date", c.name(), c.From, c.To, day)
	}
	return Contract{}, err
}

func (e *Engine) create(w http.ResponseWriter, r *http.Request) {
	n, ok := partnertest.Read[billing.NewDraft](&e.Server, w, r, "NewDraft")
	if !ok {
		return
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if err := e.checkDraft(n); err != nil {
		partnertest.Reply(w, 0, nil, err)
		return
	}
	d := &draft{billing.Draft{ID: fmt.Sprintf("D%06d", len(e.drafts)+1), Status: billing.StatusDraft, NewDraft: n}, []string{partnertest.KeyOf(r)}}
	e.drafts = append(e.drafts, d)
	partnertest.Answer(w, http.StatusCreated, d.Draft)
}

// checkDraft refuses what does not add up, is under no contract, or is there already.
func (e *Engine) checkDraft(n billing.NewDraft) error {
	net := freight.ZeroMoney(n.Net.Currency)
	refs := map[string]bool{}
	for i, l := range n.Lines {
		at := fmt.Sprintf("/lines/%d", i)
		if l.UnitPrice.Currency != n.Net.Currency {
			return partnertest.Invalid(codeCurrency, "all lines are in the currency of net", partner.FieldError{Pointer: at + "/unitPrice/currency", Code: "currency"})
		}
		if refs[l.Ref] {
			return partnertest.Invalid("", "two lines have one ref", partner.FieldError{Pointer: at + "/ref", Code: "duplicate", Detail: l.Ref})
		}
		refs[l.Ref] = true
		a, err := l.Net()
		if err == nil {
			net, err = net.Add(a)
		}
		if err != nil {
			return partnertest.Invalid("", "a line cannot be added up", partner.FieldError{Pointer: at, Code: "sum", Detail: err.Error()})
		}
	}
	if !net.Equal(n.Net) {
		return partnertest.Invalid("", fmt.Sprintf("the lines make %s, net says %s", net, n.Net), partner.FieldError{Pointer: "/net", Code: "sum"})
	}
	c, ok := e.version(n.Contract, n.Version)
	switch held, taken := e.held(n.ExternalRef); {
	case !ok || c.Carrier != "":
		return partnertest.Invalid(codeContract, fmt.Sprintf("no customer has contract %s version %s", n.Contract, n.Version), partner.FieldError{Pointer: "/contract", Code: "unknown"})
	case c.Currency != n.Net.Currency:
		return partnertest.Invalid(codeCurrency, fmt.Sprintf("contract %s is in %s", c.name(), c.Currency), partner.FieldError{Pointer: "/net/currency", Code: "currency"})
	case taken:
		return partnertest.Taken(n.ExternalRef, held.ID)
	}
	return nil
}

// held is the draft that holds a reference: not a void one.
func (e *Engine) held(ref string) (*draft, bool) {
	for _, d := range e.drafts {
		if d.ExternalRef == ref && d.Status != billing.StatusVoid {
			return d, true
		}
	}
	return nil, false
}

func (e *Engine) find(w http.ResponseWriter, r *http.Request) {
	ref, ok := partnertest.Reference(w, r)
	if !ok {
		return
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	found := []billing.Draft{}
	if d, ok := e.held(ref); ok {
		found = append(found, d.Draft)
	}
	partnertest.Answer(w, http.StatusOK, map[string]any{"drafts": found})
}

// on does something with the draft that the path names, and answers with it.
func (e *Engine) on(w http.ResponseWriter, r *http.Request, do func(*draft) error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, d := range e.drafts {
		if d.ID == chi.URLParam(r, "id") {
			err := do(d)
			partnertest.Reply(w, http.StatusOK, d.Draft, err)
			return
		}
	}
	partnertest.Reply(w, 0, nil, partnertest.Unknown("draft"))
}

func (e *Engine) read(w http.ResponseWriter, r *http.Request) {
	e.on(w, r, func(*draft) error { return nil })
}

func (e *Engine) commit(w http.ResponseWriter, r *http.Request) {
	e.on(w, r, func(d *draft) error {
		if d.Status == billing.StatusVoid {
			return &partner.Problem{Status: http.StatusConflict, Title: "The draft is void", Detail: d.ID + " is void: a new one can be made under its external_ref", Code: codeVoid}
		}
		d.Status, d.keys = billing.StatusCommitted, append(d.keys, partnertest.KeyOf(r))
		return nil
	})
}

func (e *Engine) void(w http.ResponseWriter, r *http.Request) {
	if _, ok := partnertest.Read[struct{ Reason string }](&e.Server, w, r, "Void"); !ok {
		return
	}
	e.on(w, r, func(d *draft) error { e.annul(d); return nil })
}

// annul makes a draft count no more: its reference and its keys are free again.
func (e *Engine) annul(d *draft) {
	d.Status = billing.StatusVoid
	e.Forget(d.keys...)
	d.keys = nil
}

// Void does what people at the engine do: they make a draft count no more.
func (e *Engine) Void(id string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, d := range e.drafts {
		if d.ID == id {
			e.annul(d)
		}
	}
}
