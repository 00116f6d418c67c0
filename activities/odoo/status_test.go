package odoo_test

import (
	"context"
	"errors"
	"fmt"
	"html"
	"io/fs"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"waybill/activities/odoo"
	"waybill/activities/odoo/odootest"
	"waybill/workflows/freight"
	"waybill/workflows/protocol"
)

func TestClaimOfAnotherShipmentIsNotOurs(t *testing.T) {
	h := newHouse(t)
	o := h.sell()
	_, id := h.claim(o)
	if again, same := h.claim(o); same != id || again.OrderName != o.Name {
		t.Error("the same shipment cannot claim again")
	}
	_, err := h.status.ClaimDelivery(t.Context(), protocol.ClaimRequest{Shipment: "other-1", Picking: o.Pickings[0]})
	says(t, err, protocol.NotOurs, "is carried by shipment "+string(id))
}

// TestOfManyWhoClaimAtOnceOneHasIt: two deployments on one Odoo, both of which have read that nobody carries it.
func TestOfManyWhoClaimAtOnceOneHasIt(t *testing.T) {
	h := newHouse(t)
	for range 3 {
		o := h.sell()
		const claimers = 6
		var read, done sync.WaitGroup
		read.Add(claimers)
		h.proxy.Watch(odootest.Watch{Before: func(c odootest.Call) bool {
			if c.Method == "write" && c.Shipment != "" { // all have read before one writes
				read.Done()
				read.Wait()
			}
			return false
		}})
		won := make([]error, claimers)
		for i := range won {
			done.Go(func() {
				id := freight.ShipmentID(fmt.Sprintf("t%d-%d", i, o.Pickings[0]))
				_, won[i] = h.status.ClaimDelivery(t.Context(), protocol.ClaimRequest{Shipment: id, Picking: o.Pickings[0]})
			})
		}
		done.Wait()
		h.proxy.Watch(odootest.Watch{})
		holder := text(h.one("stock.picking", o.Pickings[0], "x_waybill_shipment")["x_waybill_shipment"])
		winners := 0
		for i, err := range won {
			if err == nil {
				winners++
				if want := fmt.Sprintf("t%d-%d", i, o.Pickings[0]); holder != want {
					t.Errorf("%s was told it carries it, %s does", want, holder)
				}
				continue
			}
			says(t, err, protocol.NotOurs, "is carried by shipment "+holder)
		}
		if winners != 1 {
			t.Errorf("%d of %d carry it", winners, claimers)
		}
	}
}

func TestDeliveryThatIsNoneOfOursIsNotClaimed(t *testing.T) {
	h := newHouse(t)
	cancelled := h.sell()
	if err := h.shop.Cancel(t.Context(), cancelled.ID); err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct {
		picking int64
		words   string
	}{"cancelled": {cancelled.Pickings[0], "is cancelled in Odoo"}, "deleted": {2000000000, "deleted"}} {
		_, err := h.status.ClaimDelivery(t.Context(), protocol.ClaimRequest{Shipment: "test-1", Picking: tt.picking})
		if protocol.FaultOf(err) != protocol.NotOurs || !strings.Contains(protocol.Words(err), tt.words) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestOnlyACodeIsACustomerCode: a reference in Odoo may be anything, and the code is shown in search attributes.
func TestOnlyACodeIsACustomerCode(t *testing.T) {
	for ref, want := range map[string]freight.CustomerCode{
		"ACME": "ACME", "acme-de_1.x": "acme-de_1.x", strings.Repeat("a", 40): freight.CustomerCode(strings.Repeat("a", 40)),
		"": "P7", "j.doe@example.com": "P7", "Jane Doe": "P7", "Müller": "P7", strings.Repeat("a", 41): "P7", "a/b": "P7", "a\nb": "P7",
	} {
		if got := odoo.CustomerCode(ref, 7); got != want {
			t.Errorf("%q is %q, want %q", ref, got, want)
		}
	}
	h := newHouse(t)
	jane := h.create("res.partner", map[string]any{"name": "Jane Doe", "ref": "jane@example.com", "zip": "10001"})
	r, _ := h.claim(h.sellWith(map[string]any{"partner_id": jane}))
	if r.Customer != freight.CustomerCode(fmt.Sprintf("P%d", jane)) || len(r.Missing) != 1 || !strings.Contains(r.Missing[0], "is no code") {
		t.Errorf("%+v", r)
	}
}

func (h *house) show(r freight.Release, id freight.ShipmentID, revision int64, report freight.StatusReport) protocol.StatusWritten {
	h.t.Helper()
	if report.InvoiceState == "" {
		report.InvoiceState = freight.InvoiceNone
	}
	return must[protocol.StatusWritten](h.t)(h.status.UpdateStatus(h.t.Context(), protocol.StatusUpdate{Shipment: id, Picking: r.Picking, Order: r.Order, Revision: revision, Report: report}))
}

func TestStatusShowsOnDeliveryAndOrder(t *testing.T) {
	h := newHouse(t)
	r, id := h.claim(h.sell())
	at := time.Date(2026, 3, 29, 3, 4, 5, 0, time.FixedZone("east", 5*3600))
	h.show(r, id, 1, freight.StatusReport{Status: freight.StatusInTransit, Since: at, ETA: at.Add(48 * time.Hour), InvoiceState: freight.InvoiceHeld, Exception: "pod_missing: <none>", Tracking: "1Z9"})
	p := h.one("stock.picking", r.Picking, "x_waybill_status", "x_waybill_since", "x_waybill_eta", "x_waybill_invoice_state", "x_waybill_exception", "x_waybill_tracking", "x_waybill_revision")
	want := map[string]any{"id": r.Picking, "x_waybill_status": "in_transit", "x_waybill_since": "2026-03-28 22:04:05", "x_waybill_eta": "2026-03-30 22:04:05", "x_waybill_invoice_state": "held",
		"x_waybill_exception": "pod_missing: <none>", "x_waybill_tracking": "1Z9", "x_waybill_revision": int64(1)}
	if fmt.Sprint(p) != fmt.Sprint(want) {
		t.Errorf("the delivery shows\n%v, want\n%v", p, want)
	}
	o := h.one("sale.order", r.Order, "x_waybill_status", "x_waybill_invoice_state", "x_waybill_exception")
	if o["x_waybill_status"] != "in_transit" || o["x_waybill_invoice_state"] != "held" || o["x_waybill_exception"] != "pod_missing: <none>" {
		t.Errorf("the order shows %v", o)
	}
	h.show(r, id, 2, freight.StatusReport{Status: freight.StatusDelivered})
	if p := h.one("stock.picking", r.Picking, "x_waybill_eta", "x_waybill_exception"); p["x_waybill_eta"] != false || p["x_waybill_exception"] != false {
		t.Errorf("what is no more is still shown: %v", p)
	}
}

// TestOrderShowsWhatIsToBeDoneByWhomAndHowThePromiseStands for every exception there is and every state of a promise.
func TestOrderShowsWhatIsToBeDoneByWhomAndHowThePromiseStands(t *testing.T) {
	h := newHouse(t)
	r, id := h.claim(h.sell())
	due := time.Date(2026, 11, 24, 16, 0, 0, 0, time.UTC)
	fields := []string{"x_waybill_exception", "x_waybill_next_step", "x_waybill_promise"}
	for i, kind := range freight.ExceptionKinds() {
		var es freight.Exceptions
		es.Raise(kind, "", freight.StageTransit, "it happened", due.Add(-time.Hour))
		state := freight.SLAStates()[i%len(freight.SLAStates())]
		h.show(r, id, int64(i+1), freight.StatusReport{Status: freight.StatusInTransit, Exception: string(kind) + ": it happened", Owner: es[0].Owner, Due: due, Next: es[0].Advice, SLA: state})
		p := h.one("stock.picking", r.Picking, append(fields, "x_waybill_next_step_owner", "x_waybill_next_step_due")...)
		want := map[string]any{"id": r.Picking, "x_waybill_exception": string(kind) + ": it happened", "x_waybill_next_step": es[0].Advice, "x_waybill_promise": string(state), "x_waybill_next_step_owner": string(es[0].Owner), "x_waybill_next_step_due": "2026-11-24 16:00:00"}
		if fmt.Sprint(p) != fmt.Sprint(want) {
			t.Errorf("the delivery shows\n%v, want\n%v", p, want)
		}
		o := h.one("sale.order", r.Order, fields...)
		if o["x_waybill_next_step"] != es[0].Advice || o["x_waybill_promise"] != string(state) {
			t.Errorf("the order shows %v", o)
		}
	}
	h.show(r, id, 1000, freight.StatusReport{Status: freight.StatusDelivered})
	if p := h.one("stock.picking", r.Picking, append(fields, "x_waybill_next_step_owner", "x_waybill_next_step_due")...); p["x_waybill_next_step"] != false || p["x_waybill_promise"] != false || p["x_waybill_next_step_owner"] != false || p["x_waybill_next_step_due"] != false {
		t.Errorf("what is no more is still shown: %v", p)
	}
}

func TestOrderOfSeveralDeliveriesShowsEach(t *testing.T) {
	h := newHouse(t)
	o := h.sell()
	r, id := h.claim(o)
	h.deliver(r.Picking, 1)
	o = must[odootest.Order](t)(h.shop.Order(t.Context(), o.ID))
	second := shipmentOf(t, o.Pickings[1])
	r2 := must[freight.Release](t)(h.status.ClaimDelivery(t.Context(), protocol.ClaimRequest{Shipment: second, Picking: o.Pickings[1]}))
	h.show(r, id, 1, freight.StatusReport{Status: freight.StatusDelivered})
	h.show(r2, second, 1, freight.StatusReport{Status: freight.StatusInTransit, Exception: "delivery_overdue: late"})
	s := h.one("sale.order", o.ID, "x_waybill_status", "x_waybill_exception")
	for _, want := range []string{r.PickingName + ": delivered", r2.PickingName + ": in_transit"} {
		if !strings.Contains(text(s["x_waybill_status"]), want) {
			t.Errorf("the order shows %q, without %q", s["x_waybill_status"], want)
		}
	}
	if s["x_waybill_exception"] != "delivery_overdue: late" {
		t.Errorf("the order shows the exception %q", s["x_waybill_exception"])
	}
}

// TestOlderStatusNeverOverwritesANewerOne, however late it arrives: not even the claim's own write.
func TestOlderStatusNeverOverwritesANewerOne(t *testing.T) {
	h := newHouse(t)
	r, id := h.claim(h.sell())
	h.show(r, id, 2, freight.StatusReport{Status: freight.StatusDelivered})
	if out := h.show(r, id, 1, freight.StatusReport{Status: freight.StatusInTransit}); !out.Superseded {
		t.Error("the older one did not notice")
	}
	if out := h.show(r, id, 2, freight.StatusReport{Status: freight.StatusDelivered}); out.Superseded {
		t.Error("the same one again is taken for an older one")
	}
	_, err := h.status.Odoo.Call(t.Context(), "stock.picking", "write", []any{[]int64{r.Picking}, map[string]any{"x_waybill_shipment": string(id), "x_waybill_status": "released", "x_waybill_revision": 0}}, nil)
	if err == nil {
		t.Error("a claim that arrived late was written")
	}
	if got := h.one("sale.order", r.Order, "x_waybill_status")["x_waybill_status"]; got != "delivered" {
		t.Errorf("the order shows %v", got)
	}
}

// TestTwentyRevisionsAtOnceLeaveTheNewest, in whatever order they arrive.
func TestTwentyRevisionsAtOnceLeaveTheNewest(t *testing.T) {
	h := newHouse(t)
	r, id := h.claim(h.sell())
	var wg sync.WaitGroup
	for i := range 20 {
		wg.Go(func() {
			s := freight.StatusInTransit
			if i == 19 {
				s = freight.StatusDelivered
			}
			for {
				_, err := h.status.UpdateStatus(t.Context(), protocol.StatusUpdate{Shipment: id, Picking: r.Picking, Order: r.Order, Revision: int64(i + 1), Report: freight.StatusReport{Status: s, InvoiceState: freight.InvoiceNone}})
				if err == nil {
					return
				}
				if protocol.FaultOf(err) != protocol.Transient {
					t.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	if p := h.one("stock.picking", r.Picking, "x_waybill_status", "x_waybill_revision"); p["x_waybill_status"] != "delivered" || p["x_waybill_revision"] != int64(20) {
		t.Errorf("the delivery shows %v", p)
	}
}

func TestStatusOfAnotherShipmentIsNotWritten(t *testing.T) {
	h := newHouse(t)
	r, _ := h.claim(h.sell())
	_, err := h.status.UpdateStatus(t.Context(), protocol.StatusUpdate{Shipment: "other-1", Picking: r.Picking, Revision: 9, Report: freight.StatusReport{Status: freight.StatusLost, InvoiceState: freight.InvoiceNone}})
	says(t, err, protocol.NotOurs, "is carried by shipment")
	if got := h.one("stock.picking", r.Picking, "x_waybill_status")["x_waybill_status"]; got != "released" {
		t.Errorf("it shows %v", got)
	}
}

func proof(r freight.Release, id freight.ShipmentID, revision int64) protocol.StatusUpdate {
	return protocol.StatusUpdate{Shipment: id, Picking: r.Picking, Order: r.Order, Revision: revision, Report: freight.StatusReport{Status: freight.StatusDelivered, InvoiceState: freight.InvoiceNone},
		Proof: &protocol.ProofRequest{Shipment: id, Picking: r.Picking, Delivered: time.Now(), Documents: []freight.DocumentRef{{Kind: freight.DocumentPOD, SHA256: podHash, MediaType: "application/pdf"}}}}
}

// TestProofIsFiledOnceThoughRepliesAreLost, and is what came.
func TestProofIsFiledOnceThoughRepliesAreLost(t *testing.T) {
	h := newHouse(t)
	r, id := h.claim(h.sell())
	var lost sync.Map
	h.proxy.Lose(func(_, model, method string) bool {
		_, before := lost.LoadOrStore(model+method, true)
		return !before && (model == "ir.attachment" || method == "web_save")
	})
	var out protocol.StatusWritten
	var wg sync.WaitGroup
	var mu sync.Mutex
	for range 4 {
		wg.Go(func() {
			for {
				got, err := h.status.UpdateStatus(t.Context(), proof(r, id, 1))
				if err == nil {
					mu.Lock()
					out = got
					mu.Unlock()
					return
				}
				if f := protocol.FaultOf(err); f != protocol.Ambiguous && f != protocol.Transient {
					t.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	h.proxy.Lose(nil)
	as := h.find("ir.attachment", []any{[]any{"res_model", "=", "stock.picking"}, []any{"res_id", "=", r.Picking}}, "name", "description", "datas", "mimetype")
	if len(as) != 1 || len(out.Attachments) != 1 || as[0]["id"] != out.Attachments[0] || as[0]["description"] != "signed by R. Receiver" || !strings.HasPrefix(text(as[0]["name"]), "POD "+string(id)) {
		t.Errorf("filed %v, told %v", as, out.Attachments)
	}
	for model, of := range map[string]int64{"stock.picking": r.Picking, "sale.order": r.Order} {
		if linked := h.one(model, of, "x_waybill_proof")["x_waybill_proof"].([]any); len(linked) != 1 || linked[0] != out.Attachments[0] {
			t.Errorf("%s shows the proof %v", model, linked)
		}
	}
}

func TestProofChangedInOdooIsReported(t *testing.T) {
	h := newHouse(t)
	r, id := h.claim(h.sell())
	out := must[protocol.StatusWritten](t)(h.status.UpdateStatus(t.Context(), proof(r, id, 1)))
	h.write("ir.attachment", out.Attachments[0], map[string]any{"datas": "Zm9yZ2Vk"})
	_, err := h.status.UpdateStatus(t.Context(), proof(r, id, 2))
	says(t, err, protocol.Rejected, fmt.Sprintf("attachment %d", out.Attachments[0]), "was changed", "filed again")
	h.do("ir.attachment", "unlink", []any{out.Attachments[0]})
	again := must[protocol.StatusWritten](t)(h.status.UpdateStatus(t.Context(), proof(r, id, 3)))
	if len(again.Attachments) != 1 || again.Attachments[0] == out.Attachments[0] {
		t.Errorf("filed again as %v", again.Attachments)
	}
}

// TestProofIsFiledThoughANewerStatusIsShown.
func TestProofIsFiledThoughANewerStatusIsShown(t *testing.T) {
	h := newHouse(t)
	r, id := h.claim(h.sell())
	h.show(r, id, 5, freight.StatusReport{Status: freight.StatusDelivered, InvoiceState: freight.InvoicePosted})
	out := must[protocol.StatusWritten](t)(h.status.UpdateStatus(t.Context(), proof(r, id, 4)))
	p := h.one("stock.picking", r.Picking, "x_waybill_proof", "x_waybill_invoice_state")
	if linked := p["x_waybill_proof"].([]any); !out.Superseded || len(linked) != 1 || p["x_waybill_invoice_state"] != "posted" {
		t.Errorf("%+v, the delivery shows %v", out, p)
	}
}

// TestStatusIsShownThoughTheDocumentCannotBeRead.
func TestStatusIsShownThoughTheDocumentCannotBeRead(t *testing.T) {
	h := newHouse(t)
	r, id := h.claim(h.sell())
	h.status.Documents = lostPapers{errors.New("the archive is shut")}
	_, err := h.status.UpdateStatus(t.Context(), proof(r, id, 1))
	says(t, err, protocol.Transient, "the archive is shut")
	h.status.Documents = lostPapers{fmt.Errorf("document: %w", fs.ErrNotExist)} // it is in no backup
	_, err = h.status.UpdateStatus(t.Context(), proof(r, id, 2))
	says(t, err, protocol.Rejected, "not in the store any more", "waybill-admin proof")
	if got := h.one("stock.picking", r.Picking, "x_waybill_status")["x_waybill_status"]; got != "delivered" {
		t.Errorf("it shows %v", got)
	}
}

// TestDocumentThatTheProxyDoesNotTakeIsForAPerson: tried for ever it would keep the status out, and all others' with it.
func TestDocumentThatTheProxyDoesNotTakeIsForAPerson(t *testing.T) {
	h := newHouse(t)
	r, id := h.claim(h.sell())
	h.status.Odoo = filesNothing{h.status.Odoo, answering(t, status(http.StatusRequestEntityTooLarge))}
	_, err := h.status.UpdateStatus(t.Context(), proof(r, id, 1))
	says(t, err, protocol.Rejected, "more than the proxy before Odoo takes", "client_max_body_size")
}

// filesNothing is an Odoo behind a proxy that takes no attachment.
type filesNothing struct {
	odoo.Caller
	proxy odoo.Caller
}

func (f filesNothing) Call(ctx context.Context, model, method string, args []any, kw map[string]any) (any, error) {
	if model == "ir.attachment" {
		return f.proxy.Call(ctx, model, method, args, kw)
	}
	return f.Caller.Call(ctx, model, method, args, kw)
}

type lostPapers struct{ why error }

func (p lostPapers) Document(context.Context, string) ([]byte, string, string, error) {
	return nil, "", "", p.why
}

// notesOf are the notes of a shipment in the chatter of an order, oldest first.
func (h *house) notesOf(order int64) (bodies []string) {
	h.t.Helper()
	for _, m := range h.find("mail.message", []any{[]any{"model", "=", "sale.order"}, []any{"res_id", "=", order}, []any{"message_type", "=", "notification"}}, "body") {
		body := html.UnescapeString(strings.NewReplacer("<p>", "", "</p>", "").Replace(text(m["body"])))
		if strings.Contains(body, "note") {
			bodies = append(bodies, body)
		}
	}
	return bodies
}

func noting(r freight.Release, id freight.ShipmentID, revision int64, ns ...freight.ChatterNote) protocol.StatusUpdate {
	return protocol.StatusUpdate{Shipment: id, Picking: r.Picking, Order: r.Order, Revision: revision, Report: freight.StatusReport{Status: freight.StatusInTransit, InvoiceState: freight.InvoiceNone}, Chatter: ns}
}

// updateUntilDone updates the status until Odoo has said that it is done.
func (h *house) updateUntilDone(u protocol.StatusUpdate) {
	for {
		_, err := h.status.UpdateStatus(h.t.Context(), u)
		switch f := protocol.FaultOf(err); {
		case err == nil:
			return
		case f != protocol.Ambiguous && f != protocol.Transient:
			h.t.Error(err)
			return
		}
	}
}

// TestNoteIsInTheChatterOnceThoughRepliesAreLostAndManyWriteAtOnce, as text, in order, by no call of its own.
func TestNoteIsInTheChatterOnceThoughRepliesAreLostAndManyWriteAtOnce(t *testing.T) {
	h := newHouse(t)
	r, id := h.claim(h.sell())
	ns := []freight.ChatterNote{{N: 3, Text: "note 3: fuel <14 %> & more"}, {N: 7, Text: "note 7: INV/2026/00001 is posted"}, {N: 8, Text: "note 8"}}
	before := h.proxy.Calls(string(id))
	h.updateUntilDone(noting(r, id, 1, ns[:1]...))
	if n := h.proxy.Calls(string(id)) - before; n != 1 {
		t.Errorf("a status with a note took %d calls, want 1", n)
	}
	var lost atomic.Int32
	h.proxy.Lose(func(_, model, method string) bool { return method == "write" && lost.Add(1) <= 3 })
	var wg sync.WaitGroup
	for i := range 8 { // attempts of several runs, each of which knows that at least the first note is not answered
		wg.Go(func() { h.updateUntilDone(noting(r, id, int64(2+i%2), ns[:2+i%2]...)) })
	}
	wg.Wait()
	h.proxy.Lose(nil)
	want := []string{}
	for _, n := range ns {
		want = append(want, r.PickingName+": "+n.Text)
	}
	if got := h.notesOf(r.Order); !slices.Equal(got, want) || lost.Load() < 3 {
		t.Errorf("%d replies lost, the chatter has %q, want %q", lost.Load(), got, want)
	}
}

// TestNoteOfASupersededStatusIsWritten once all the same, and never before one that was written.
func TestNoteOfASupersededStatusIsWritten(t *testing.T) {
	h := newHouse(t)
	r, id := h.claim(h.sell())
	h.updateUntilDone(noting(r, id, 5, freight.ChatterNote{N: 1, Text: "note 1"}))
	for _, n := range []int64{2, 1, 2} {
		out := must[protocol.StatusWritten](t)(h.status.UpdateStatus(t.Context(), noting(r, id, 4, freight.ChatterNote{N: n, Text: fmt.Sprint("note ", n)})))
		if !out.Superseded {
			t.Error("an older status was shown")
		}
	}
	if got := h.notesOf(r.Order); !slices.Equal(got, []string{r.PickingName + ": note 1", r.PickingName + ": note 2"}) {
		t.Errorf("the chatter has %q", got)
	}
}

// TestNoteOfAnotherShipmentIsNotWritten, and a delivery that a person has given to another has that one's from its first.
func TestNoteOfAnotherShipmentIsNotWritten(t *testing.T) {
	h := newHouse(t)
	r, id := h.claim(h.sell())
	h.updateUntilDone(noting(r, id, 1, freight.ChatterNote{N: 9, Text: "note of the first"}))
	other := noting(r, "other-1", 2, freight.ChatterNote{N: 1, Text: "note of the other"})
	_, err := h.status.UpdateStatus(t.Context(), other)
	says(t, err, protocol.NotOurs)
	h.write("stock.picking", r.Picking, map[string]any{"x_waybill_shipment": false})
	must[freight.Release](t)(h.status.ClaimDelivery(t.Context(), protocol.ClaimRequest{Shipment: "other-1", Picking: r.Picking}))
	h.updateUntilDone(other)
	if got := h.notesOf(r.Order); !slices.Equal(got, []string{r.PickingName + ": note of the first", r.PickingName + ": note of the other"}) {
		t.Errorf("the chatter has %q", got)
	}
}

// TestNotesOfEachDeliveryAreInTheChatterOfTheirOrder, each with its name; nobody is notified.
func TestNotesOfEachDeliveryAreInTheChatterOfTheirOrder(t *testing.T) {
	h := newHouse(t)
	o := h.sell()
	r, id := h.claim(o)
	h.deliver(r.Picking, 1)
	o = must[odootest.Order](t)(h.shop.Order(t.Context(), o.ID))
	second := shipmentOf(t, o.Pickings[1])
	r2 := must[freight.Release](t)(h.status.ClaimDelivery(t.Context(), protocol.ClaimRequest{Shipment: second, Picking: o.Pickings[1]}))
	var wg sync.WaitGroup
	wg.Go(func() { h.updateUntilDone(noting(r, id, 1, freight.ChatterNote{N: 4, Text: "note A"})) })
	wg.Go(func() { h.updateUntilDone(noting(r2, second, 1, freight.ChatterNote{N: 2, Text: "note B"})) })
	wg.Wait()
	got := h.notesOf(o.ID)
	slices.Sort(got)
	if want := []string{r.PickingName + ": note A", r2.PickingName + ": note B"}; !slices.Equal(got, want) {
		t.Errorf("the chatter has %q, want %q", got, want)
	}
	if !h.real {
		return // the stand-in has no notifications
	}
	if ns := h.find("mail.notification", []any{[]any{"mail_message_id.model", "=", "sale.order"}, []any{"mail_message_id.res_id", "=", o.ID}}, "notification_type"); len(ns) > 0 {
		t.Errorf("notified %v", ns)
	}
}
