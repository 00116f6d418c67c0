package odoo_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.temporal.io/sdk/temporal"

	"waybill/activities/odoo/odootest"
	"waybill/workflows/freight"
	"waybill/workflows/protocol"
)

// loses loses every third reply of each method of invoices, and counts them.
type loses struct {
	mu         sync.Mutex
	seen, lost map[string]int
}

func (l *loses) rule(_, model, method string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if model != "account.move" {
		return false
	}
	l.seen[method]++
	if l.seen[method]%3 != 1 {
		return false
	}
	l.lost[method]++
	return true
}

// insist calls PostInvoice as Temporal does: until it has an answer that trying again would not change.
func (h *house) insist(p freight.InvoicePlan) (freight.Invoice, error) {
	for {
		inv, err := h.money.PostInvoice(h.t.Context(), p)
		var app *temporal.ApplicationError
		if err == nil || h.t.Context().Err() != nil || !errors.As(err, &app) || app.NonRetryable() {
			return inv, err
		}
	}
}

func TestFiftyCallersAndLostRepliesPostOneInvoice(t *testing.T) {
	h := newHouse(t)
	r, id := h.ready()
	p := h.plan(r, id)
	l := &loses{seen: map[string]int{}, lost: map[string]int{}}
	h.proxy.Lose(l.rule)
	began := time.Now()
	var wg sync.WaitGroup
	answers := make([]freight.Invoice, 50)
	for i := range answers {
		wg.Go(func() {
			inv, err := h.insist(p)
			if err != nil {
				t.Error(err)
			}
			answers[i] = inv
		})
	}
	wg.Wait()
	h.proxy.Lose(nil)
	t.Logf("50 callers in %s: calls %v, replies lost %v", time.Since(began).Round(time.Millisecond), l.seen, l.lost)
	for _, a := range answers {
		if a.Move != answers[0].Move || a.Net != p.Net {
			t.Fatalf("callers were told of %+v and %+v", answers[0], a)
		}
	}
	if ms := h.posted(id); len(ms) != 1 || text(ms[0]["amount_untaxed"]) != "623.45" {
		t.Errorf("posted %v", ms)
	}
	for _, method := range []string{"load", "web_search_read", "action_post"} {
		if l.lost[method] == 0 {
			t.Errorf("no reply of %s was lost", method)
		}
	}
	if all := h.find("account.move", []any{[]any{"x_waybill_shipment", "=", string(id)}}, "state"); len(all) != 1 {
		t.Errorf("%d invoices were made: %v", len(all), all)
	}
}

// TestCallersWhoGiveUpPostOneInvoice: Odoo carries on with what nobody waits for.
func TestCallersWhoGiveUpPostOneInvoice(t *testing.T) {
	h := newHouse(t)
	r, id := h.ready()
	p := h.plan(r, id)
	h.proxy.Watch(odootest.Watch{After: func(odootest.Call) bool { return false }}) // the proxy passes on what its caller left
	var wg sync.WaitGroup
	for i := range 12 {
		wg.Go(func() {
			ctx, cancel := context.WithTimeout(t.Context(), time.Duration(i*15)*time.Millisecond)
			defer cancel()
			_, _ = h.money.PostInvoice(ctx, p) // most are cut off
		})
	}
	wg.Wait()
	if inv, err := h.insist(p); err != nil || inv.Net != p.Net {
		t.Errorf("%+v %v", inv, err)
	}
	if ms := h.posted(id); len(ms) != 1 {
		t.Errorf("posted %v", ms)
	}
}

// actsBefore lets a person do something to the shipment's invoice before a call of a method, once.
func (h *house) actsBefore(method string, id freight.ShipmentID, person func(h *house, move int64)) {
	var once sync.Once
	h.proxy.Watch(odootest.Watch{Before: func(c odootest.Call) bool {
		if c.Model == "account.move" && c.Method == method {
			once.Do(func() {
				ms := h.find("account.move", []any{[]any{"x_waybill_shipment", "=", string(id)}}, "state")
				person(h, ms[0]["id"].(int64))
			})
		}
		return false
	}})
}

// TestPersonAtTheSameDraft acts on the draft when it has been made, and again when it is about to be posted.
func TestPersonAtTheSameDraft(t *testing.T) {
	act := func(method string) func(*house, int64) {
		return func(h *house, move int64) { h.do("account.move", method, []any{move}) }
	}
	reprice := func(h *house, move int64) {
		l := h.find("account.move.line", []any{[]any{"move_id", "=", move}, []any{"display_type", "=", "product"}}, "price_unit")
		h.write("account.move", move, map[string]any{"invoice_line_ids": []any{[]any{1, l[0]["id"], map[string]any{"price_unit": 249.0}}}})
	}
	posts, cancels, deletes := act("action_post"), act("button_cancel"), act("unlink")
	for name, tt := range map[string]struct {
		before string // the call before which the person acts
		person func(*house, int64)
		want   protocol.Fault // "" for one posted invoice, exactly the plan
		words  []string
	}{
		"posts the new draft":         {"web_search_read", posts, "", nil},
		"posts before us":             {"action_post", posts, "", nil},
		"deletes the new draft":       {"web_search_read", deletes, "", nil},
		"deletes before we post":      {"action_post", deletes, "", nil},
		"cancels the new draft":       {"web_search_read", cancels, protocol.Rejected, []string{"was cancelled in Odoo", "reset it to draft"}},
		"cancels before we post":      {"action_post", cancels, protocol.Rejected, []string{"was cancelled in Odoo"}},
		"changes the price":           {"web_search_read", reprice, protocol.Rejected, []string{"was changed by Mitchell Admin", "at 249", "Delete it to have it made again"}},
		"changes it before we post":   {"action_post", reprice, protocol.Rejected, []string{"is posted under waybill.inv_test-", "over 621.45 USD net, 623.45 USD net was validated", "credit it and bill by hand"}},
		"resets what we posted":       {"nothing", nil, "", nil},
		"resets and changes it after": {"changed", nil, protocol.Rejected, []string{"was posted, reset to draft and is not what was validated", "at 249"}},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHouse(t)
			r, id := h.ready()
			p := h.plan(r, id)
			if tt.person == nil {
				inv := h.post(p)
				h.do("account.move", "button_draft", []any{inv.Move})
				if tt.before == "changed" {
					reprice(h, inv.Move)
				}
			} else {
				h.actsBefore(tt.before, id, tt.person)
			}
			inv, err := h.insist(p)
			h.proxy.Watch(odootest.Watch{})
			if tt.want != "" {
				says(t, err, tt.want, tt.words...)
				return
			}
			if err != nil || inv.Net != p.Net || inv.Move == 0 {
				t.Fatalf("%+v %v", inv, err)
			}
			if ms := h.posted(id); len(ms) != 1 || text(ms[0]["amount_untaxed"]) != "623.45" {
				t.Errorf("posted %v", ms)
			}
		})
	}
}

// otherPlan is what a second validation made: fuel at another amount, under the same key.
func otherPlan(p freight.InvoicePlan) freight.InvoicePlan {
	p.Lines = slices.Clone(p.Lines)
	p.Lines[2].UnitPrice.Number, p.Net.Number = "30.00", "630.00"
	return p
}

func TestTwoPlansUnderOneKeyNeverBothPost(t *testing.T) {
	h := newHouse(t)
	r, id := h.ready()
	plans := []freight.InvoicePlan{h.plan(r, id)}
	plans = append(plans, otherPlan(plans[0]))
	h.proxy.LoseEvery(5, "account.move")
	var wg sync.WaitGroup
	var mu sync.Mutex
	told := map[string]int{}
	for i := range 8 {
		wg.Go(func() {
			p := plans[i%2]
			inv, err := h.insist(p)
			mu.Lock()
			defer mu.Unlock()
			switch {
			case err == nil && inv.Net == p.Net:
				told[inv.Net.Number]++
			case err != nil && strings.Contains(protocol.Words(err), plans[(i+1)%2].Net.String()+" net, "+p.Net.String()+" net was validated"):
				told["other"]++
			default:
				t.Errorf("%+v %v", inv, err)
			}
		})
	}
	wg.Wait()
	h.proxy.Lose(nil)
	ms := h.posted(id)
	if len(ms) != 1 || told["other"] != 4 || told[text(ms[0]["amount_untaxed"])] != 4 && told["630.00"] != 4 {
		t.Errorf("posted %v, callers were told %v", ms, told)
	}
}

// TestInvoiceOfAnOlderPlanIsFoundByItsKey: an attempt whose reply was lost had posted; meanwhile the facts changed and a
// new plan was made. It is not posted beside the old one, and both amounts are named.
func TestInvoiceOfAnOlderPlanIsFoundByItsKey(t *testing.T) {
	h := newHouse(t)
	r, id := h.ready()
	old := h.plan(r, id)
	inv := h.post(old)
	h.write("sale.order.line", h.lineOf(r.Order, false), map[string]any{"price_unit": 260.0})
	if again := h.post(old); again.Move != inv.Move || !again.Adopted {
		t.Errorf("the old plan, asked again: %+v", again)
	}
	next := h.plan(r, id)
	h.refused(next, protocol.Rejected, inv.Number, "over 623.45 USD net, 643.45 USD net was validated")
	h.refused(otherPlan(next), protocol.Rejected, inv.Number, "623.45 USD")
	if n := len(h.posted(id)); n != 1 {
		t.Errorf("%d posted", n)
	}
}

// TestOrderCancelledAfterPostingStillHasItsInvoice: a repeat is told of it, and no other plan is posted beside it.
func TestOrderCancelledAfterPostingStillHasItsInvoice(t *testing.T) {
	h := newHouse(t)
	r, id := h.ready()
	p := h.plan(r, id)
	inv := h.post(p)
	h.with(map[string]any{"disable_cancel_warning": true}, "sale.order", "action_cancel", []any{r.Order})
	if state := h.one("sale.order", r.Order, "state")["state"]; state != "cancel" {
		t.Fatalf("the order is %v", state)
	}
	if again := h.post(p); again.Move != inv.Move || !again.Adopted {
		t.Errorf("asked again: %+v", again)
	}
	h.refused(otherPlan(p), protocol.Rejected, inv.Number)
	if ps := must[[]freight.Payment](t)(h.money.Payments(t.Context(), []int64{inv.Move})); len(ps) != 1 || ps[0].State != freight.InvoicePosted {
		t.Errorf("%+v", ps)
	}
}

// TestBooksClosedBetweenTwoAttemptsDoNotHideTheInvoice that the first has posted.
func TestBooksClosedBetweenTwoAttemptsDoNotHideTheInvoice(t *testing.T) {
	h := newHouse(t)
	r, id := h.ready()
	p := h.plan(r, id)
	inv := h.post(p)
	h.lock("sale_lock_date", today())
	if again := h.post(p); again.Move != inv.Move || !again.Adopted {
		t.Errorf("%+v", again)
	}
}

// TestAttemptThatArrivesLateNeverPostsTwice holds one call of an attempt that its caller has given up, lets another
// attempt finish, and then lets the held one reach Odoo.
func TestAttemptThatArrivesLateNeverPostsTwice(t *testing.T) {
	for _, held := range []string{"load", "action_post", "unlink"} {
		for name, second := range map[string]func(freight.InvoicePlan) freight.InvoicePlan{"the same plan": func(p freight.InvoicePlan) freight.InvoicePlan { return p }, "another plan": otherPlan} {
			t.Run(held+", then "+name, func(t *testing.T) {
				h := newHouse(t)
				r, id := h.ready()
				p := h.plan(r, id)
				if held == "unlink" { // the first attempt finds an older draft, which it replaces
					h.draft(otherPlan(p))
				}
				arrived, release, done := make(chan struct{}), make(chan struct{}), make(chan struct{})
				var once sync.Once
				h.proxy.Watch(odootest.Watch{
					Before: func(c odootest.Call) bool {
						first := false
						if c.Model == "account.move" && c.Method == held {
							once.Do(func() { first = true })
						}
						if first {
							close(arrived)
							<-release
						}
						return false
					},
					After: func(c odootest.Call) bool {
						select {
						case <-release:
							if c.Method == held {
								done <- struct{}{}
							}
						default:
						}
						return false
					},
				})
				ctx, giveUp := context.WithCancel(t.Context())
				first := make(chan error, 1)
				go func() { _, err := h.money.PostInvoice(ctx, p); first <- err }()
				<-arrived
				giveUp()
				if err := <-first; err == nil {
					t.Fatal("the first attempt was answered")
				}
				inv, err := h.insist(second(p))
				if err != nil || inv.Net != second(p).Net {
					t.Fatalf("second attempt: %+v %v", inv, err)
				}
				close(release)
				<-done
				h.proxy.Watch(odootest.Watch{})
				if ms := h.posted(id); len(ms) != 1 || ms[0]["id"] != inv.Move {
					t.Errorf("posted %v, want %d alone", ms, inv.Move)
				}
				if all := h.find("account.move", []any{[]any{"x_waybill_shipment", "=", string(id)}}, "state"); len(all) != 1 {
					t.Errorf("left behind: %v", all)
				}
			})
		}
	}
}

func TestDraftOfAnOlderPlanIsReplaced(t *testing.T) {
	h := newHouse(t)
	r, id := h.ready()
	p := h.plan(r, id)
	old := h.draft(otherPlan(p))
	inv := h.post(p)
	if inv.Net != p.Net || inv.Move == old || inv.Adopted {
		t.Errorf("%+v, the draft was %d", inv, old)
	}
	if all := h.find("account.move", []any{[]any{"x_waybill_shipment", "=", string(id)}}, "state"); len(all) != 1 {
		t.Errorf("left: %v", all)
	}
}

func TestChangedFactsAreNotPosted(t *testing.T) {
	h := newHouse(t)
	r, id := h.ready()
	good := h.plan(r, id)
	for name, tt := range map[string]struct {
		change func(*freight.InvoicePlan)
		want   protocol.Fault
		words  string
	}{
		"other price":         {func(p *freight.InvoicePlan) { p.Lines[0].UnitPrice.Number = "251" }, protocol.FactsChanged, "no longer 2 at 251 USD"},
		"other quantity":      {func(p *freight.InvoicePlan) { p.Lines[0].Quantity = "3" }, protocol.FactsChanged, "no longer 3"},
		"other taxes":         {func(p *freight.InvoicePlan) { p.Lines[0].Taxes = []int64{99999} }, protocol.FactsChanged, "taxed"},
		"other discount":      {func(p *freight.InvoicePlan) { p.Lines[0].Discount = "5" }, protocol.FactsChanged, "no longer"},
		"goods not in Odoo":   {func(p *freight.InvoicePlan) { p.Lines[0].Ref = "g_99999999" }, protocol.FactsChanged, "no longer"},
		"other delivery line": {func(p *freight.InvoicePlan) { p.Lines[1].SaleLine = p.Lines[0].SaleLine }, protocol.FactsChanged, "delivery line"},
		"other net":           {func(p *freight.InvoicePlan) { p.Net.Number = "623.44" }, protocol.Rejected, "net 623.44 USD, its lines make 623.45 USD"},
		"other partner":       {func(p *freight.InvoicePlan) { p.Partner += 1000 }, protocol.Rejected, "invoice address"},
		"other currency":      {func(p *freight.InvoicePlan) { p.Currency = "EUR" }, protocol.Rejected, "is in USD, the invoice is in EUR"},
		"a date to come":      {func(p *freight.InvoicePlan) { p.Date = time.Now().UTC().AddDate(0, 0, 2).Format("2006-01-02") }, protocol.Rejected, "which is to come"},
	} {
		t.Run(name, func(t *testing.T) {
			h.t = t
			p := good
			p.Lines = slices.Clone(good.Lines)
			tt.change(&p)
			h.refused(p, tt.want, tt.words)
		})
	}
	h.t = t
	if n := len(h.posted(id)); n != 0 {
		t.Fatalf("%d posted", n)
	}
	if inv := h.post(good); inv.Net != good.Net {
		t.Errorf("the good plan after the bad ones: %+v", inv)
	}
}

// lock closes the company's books until a date, and opens them again after the test.
func (h *house) lock(field, until string) {
	h.t.Helper()
	h.write("res.company", 1, map[string]any{field: until})
	admin := h.admin
	if field != "hard_lock_date" { // which is for ever
		h.t.Cleanup(func() {
			if _, err := admin.Call(context.Background(), "res.company", "write", []any{[]any{1}, map[string]any{field: false}}, nil); err != nil {
				h.t.Error(err)
			}
		})
	}
}

// TestBooksClosedSinceValidation void the plan, whose next is of today; where today is closed too, a person must act.
func TestBooksClosedSinceValidation(t *testing.T) {
	h := newHouse(t)
	r, id := h.ready()
	p := h.plan(r, id)
	p.Date = "2020-03-31"
	for _, lock := range []string{"sale_lock_date", "fiscalyear_lock_date", "tax_lock_date", "hard_lock_date"} {
		t.Run(lock, func(t *testing.T) {
			h.t = t
			until := map[string]string{"hard_lock_date": "2010-12-31"}[lock]
			q := p
			if until == "" {
				until = "2020-03-31"
			} else {
				q.Date = until
			}
			h.lock(lock, until)
			h.refused(q, protocol.FactsChanged, "closed in Odoo until "+until, lock, "dated "+q.Date, "make an exception")
		})
	}
	h.t = t
	h.lock("sale_lock_date", today())
	h.refused(p, protocol.Rejected, "closed in Odoo until "+today(), "make an exception")
}

// TestDraftOfAnotherDayIsMadeAnew: the first attempt ended before it posted, and the books were closed meanwhile.
func TestDraftOfAnotherDayIsMadeAnew(t *testing.T) {
	h := newHouse(t)
	r, id := h.ready()
	p := h.plan(r, id)
	p.Date = time.Now().UTC().AddDate(0, 0, -40).Format(time.DateOnly)
	h.draft(p)
	p.Date = today()
	if inv := h.post(p); inv.Date != today() || inv.Adopted {
		t.Errorf("%+v", inv)
	}
	if ms := h.find("account.move", []any{[]any{"x_waybill_shipment", "=", string(id)}}, "state"); len(ms) != 1 {
		t.Errorf("left: %v", ms)
	}
}

// TestWhatOdooRefusesToPostIsSaid, and not asked again and again: a person must act, and then it is posted.
func TestWhatOdooRefusesToPostIsSaid(t *testing.T) {
	h := newHouse(t)
	euro := func(active bool) { h.write("res.currency", h.euro(), map[string]any{"active": active}) }
	euro(true)
	r, id := h.claim(h.sellWith(map[string]any{"pricelist_id": h.euroPrices()}))
	h.deliver(r.Picking, 0)
	p := h.plan(r, id)
	var once sync.Once
	posts := 0
	h.proxy.Watch(odootest.Watch{Before: func(c odootest.Call) bool {
		if c.Model == "account.move" && c.Method == "action_post" {
			posts++
			once.Do(func() { euro(false) })
		}
		return false
	}})
	h.refused(p, protocol.Rejected, "inactive currency")
	if posts != 1 {
		t.Errorf("tried %d times", posts)
	}
	euro(true)
	if inv := h.post(p); inv.Net.String() != "623.45 EUR" {
		t.Errorf("%+v", inv)
	}
	if ms := h.posted(id); len(ms) != 1 {
		t.Errorf("posted %v", ms)
	}
}

// TestInvoiceIsDatedByTheDayOfTheBooks: at the end of a month another zone's day is another period.
func TestInvoiceIsDatedByTheDayOfTheBooks(t *testing.T) {
	h := newHouse(t)
	r, id := h.ready()
	h.money.Zone = time.FixedZone("Kiritimati", 14*60*60) // the first to have a new day
	b := h.billable(r, id)
	late := time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC)
	if day := b.Day(late); day != "2026-12-01" {
		t.Error(day)
	}
	p := h.plan(r, id)
	p.Date = time.Now().In(h.money.Zone).Format(time.DateOnly)
	if inv := h.post(p); inv.Date != p.Date {
		t.Errorf("%+v", inv)
	}
}

// TestExceptionFromALockHoldsForWhoItWasMade: the money user may post where everyone else may not.
func TestExceptionFromALockHoldsForWhoItWasMade(t *testing.T) {
	h := newHouse(t)
	r, id := h.ready()
	p := h.plan(r, id)
	p.Date = "2021-03-31"
	h.lock("sale_lock_date", "2021-12-31")
	h.refused(p, protocol.FactsChanged, "sale_lock_date")
	user := h.find("res.users", []any{[]any{"login", "=", "waybill-money"}}, "name")[0]["id"]
	e := h.create("account.lock_exception", map[string]any{"company_id": 1, "user_id": user, "sale_lock_date": false, "end_datetime": false, "reason": "late freight"})
	admin := h.admin
	t.Cleanup(func() {
		_, _ = admin.Call(context.Background(), "account.lock_exception", "action_revoke", []any{[]any{e}}, nil) // answers that it has nothing to return
	})
	if inv := h.post(p); inv.Date != p.Date {
		t.Errorf("%+v", inv)
	}
}

// TestDateThatOdooMovesIsReported: it moves it without a word where the books close at the last moment.
func TestDateThatOdooMovesIsReported(t *testing.T) {
	h := newHouse(t)
	r, id := h.ready()
	p := h.plan(r, id)
	p.Date = "2022-05-31"
	h.proxy.Watch(odootest.Watch{Before: func(c odootest.Call) bool {
		if c.Method == "action_post" {
			h.lock("sale_lock_date", "2022-05-31")
		}
		return false
	}})
	_, err := h.money.PostInvoice(t.Context(), p)
	h.proxy.Watch(odootest.Watch{})
	says(t, err, protocol.Rejected, "its accounting date is 20", ", not 2022-05-31", "Reset it to draft")
}

// TestBilledByAnotherAtTheLastMomentIsNotBilledTwice: someone invoices the same goods between our draft and its posting.
func TestBilledByAnotherAtTheLastMomentIsNotBilledTwice(t *testing.T) {
	for name, tt := range map[string]struct {
		delivery, posts bool
		words           string
	}{
		"the goods, posted":             {false, true, "2 of \"[DESK] Product DESK\" are delivered, and 2 of them were invoiced since"},
		"the goods, in draft":           {false, false, "made by hand, bills"},
		"the delivery line, posted":     {true, true, "delivery line has been invoiced"},
		"the delivery line, as a draft": {true, false, "made by hand, bills"},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHouse(t)
			r, id := h.ready()
			p := h.plan(r, id)
			var once sync.Once
			h.proxy.Watch(odootest.Watch{Before: func(c odootest.Call) bool {
				if c.Model == "account.move" && c.Method == "web_search_read" {
					once.Do(func() {
						line := h.lineOf(r.Order, tt.delivery)
						move := h.billByHand(line, map[bool]any{true: 1, false: 2}[tt.delivery], "out_invoice")
						if tt.posts {
							h.do("account.move", "action_post", []any{move})
						}
					})
				}
				return false
			}})
			_, err := h.money.PostInvoice(t.Context(), p)
			h.proxy.Watch(odootest.Watch{})
			says(t, err, protocol.FactsChanged, tt.words)
			if all := h.find("account.move", []any{[]any{"x_waybill_shipment", "=", string(id)}}, "state"); len(all) != 0 {
				t.Errorf("left: %v", all)
			}
		})
	}
}
