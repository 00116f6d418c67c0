package shipment_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/testsuite"
	"go.temporal.io/sdk/worker"

	"waybill/workflows/dispute"
	"waybill/workflows/freight"
	"waybill/workflows/protocol"
	"waybill/workflows/shipment"
)

// world answers the stories' calls as partners that work would, and remembers what they were asked.
type world struct {
	mu       sync.Mutex
	claims   int
	tenders  []int
	statuses []protocol.StatusUpdate
	plans    []freight.InvoicePlan
	drafts   []protocol.DraftRequest
	notices  []protocol.FinanceNotice
	records  []protocol.RecordRequest
	cancels  []protocol.TransportCancel
	packs    []protocol.ShipOrderRequest
	unpacks  []protocol.ShipOrderCancel

	claim    func() error
	rate     func(protocol.RatingRequest) (freight.Rating, error)
	post     func(freight.InvoicePlan) (freight.Invoice, error)
	commit   func() error
	verify   func(protocol.DecisionRequest) (protocol.DecisionVerified, error)
	stop     func() error
	keep     func() error
	busy     func() // what PostInvoice waits for, while others are answered
	pack     func() error
	unpack   func() error
	refusal  string
	keeps    string              // why the warehouse does not stop
	ordered  *freight.Ordered    // what the order asks when it is claimed
	wms      string              // that the route names
	booked   *freight.Booking    // nil: the TMS names carrier and PRO
	tracking []string            // of the booking
	numbers  []freight.Reference // of its carrier, that the store has
	asked    int                 // how often it was asked for these
	look     func() error        // what ReadNumbers fails with
	weight   string              // delivered, as Odoo has it
	blockers []string            // of a posting, as Odoo has them
	board    func() error        // what UpdateStatus waits for or fails with
}

const shipmentID = freight.ShipmentID("acme-7")

func usd(number string) freight.Money { return freight.Money{Number: number, Currency: "USD"} }

func terms() *freight.Terms {
	return &freight.Terms{
		Policy: "default", Version: "1", Contract: "ACME-2026", Currency: "USD", Scope: freight.GoodsAndFreight, POD: freight.PODDocument,
		Charges:   freight.ChargesTerms{NeedCarrierInvoice: true, Window: 14 * 24 * time.Hour},
		Tolerance: freight.Tolerance{Absolute: usd("5.00"), Percent: "2"},
		Clocks:    freight.Clocks{Accept: 24 * time.Hour, Deliver: 5 * 24 * time.Hour, POD: 48 * time.Hour, Dispute: 72 * time.Hour, Payment: 30 * 24 * time.Hour, Quiet: 2 * time.Second},
	}
}

func newWorld() *world {
	w := &world{}
	w.rate = func(q protocol.RatingRequest) (freight.Rating, error) { return ratingOf(q), nil }
	w.post = func(p freight.InvoicePlan) (freight.Invoice, error) {
		return freight.Invoice{Move: 99, Number: "INV/2026/00099", Date: p.Date, Net: p.Net, Tax: usd("0.00"), Total: p.Net, Lines: len(p.Lines)}, nil
	}
	fine := func() error { return nil }
	w.board, w.claim, w.commit, w.stop, w.keep, w.pack, w.unpack, w.look = fine, fine, fine, fine, fine, fine, fine, fine
	w.busy = func() {}
	w.verify = func(q protocol.DecisionRequest) (protocol.DecisionVerified, error) { return decided(q), nil }
	return w
}

// decided reads documents as an approver's: "approve", "approve 70.00 USD" or "reject"; all else is forged.
func decided(q protocol.DecisionRequest) (v protocol.DecisionVerified) {
	p := q.Proposal
	v.Reply = freight.DecisionReply{Document: protocol.SignedDecision{JWS: q.JWS}.Hash(), Applied: true}
	g := freight.Ruling{Dispute: p.Dispute, Proposal: p.Hash(), ChargeRef: p.ChargeRef, Verdict: freight.Approve, Amount: p.Claimed, By: "ann", Reason: "checked"}
	verb, amount, some := strings.Cut(q.JWS, " ")
	switch {
	case verb == "reject":
		g.Verdict, g.Amount = freight.Reject, p.Expected
	case verb == "approve" && some:
		g.Amount = freight.MustMoney(amount)
	case verb != "approve":
		v.Reply.Applied, v.Reply.Refusal = false, "unknown approver"
		return v
	}
	v.Ruling = &g
	return v
}

// ratingOf has 100.00 of linehaul for the customer, and passes detention through, which the carrier may charge 50.00 for.
func ratingOf(q protocol.RatingRequest) freight.Rating {
	r := freight.Rating{Contract: q.Contract, Version: "3", Total: usd("100.00"), Hash: fmt.Sprint("h", len(q.Charges))}
	r.Lines = append(r.Lines, freight.RatedLine{Ref: "linehaul", Code: freight.Linehaul, Side: freight.Sell, Amount: usd("100.00"), Basis: freight.ByContract})
	for _, c := range q.Charges {
		switch c.Code {
		case freight.Linehaul:
			r.Lines = append(r.Lines, freight.RatedLine{Ref: c.Ref + "/buy", Code: c.Code, Side: freight.Buy, Amount: usd("80.00"), Basis: freight.ByContract, ChargeRef: c.Ref})
		case freight.Detention:
			r.Lines = append(r.Lines,
				freight.RatedLine{Ref: c.Ref + "/buy", Code: c.Code, Side: freight.Buy, Amount: usd("50.00"), Basis: freight.ByContract, ChargeRef: c.Ref},
				freight.RatedLine{Ref: c.Ref + "/sell", Code: c.Code, Side: freight.Sell, Amount: c.Amount, Basis: freight.PassThrough, ChargeRef: c.Ref})
		}
	}
	return r
}

func (w *world) serve(r registry) {
	protocol.Shipment.Serve(r, shipment.Workflow)
	protocol.Dispute.Serve(r, dispute.Workflow)
	serve(r, w, protocol.ClaimDelivery, func(q protocol.ClaimRequest) (freight.Release, error) {
		w.claims++
		return freight.Release{Picking: q.Picking, PickingName: "WH/OUT/7", Order: 70, OrderName: "S00070", Customer: "ACME", Partner: 5, Company: 1, Currency: "USD", Weight: "120", Pieces: 1, ShipTo: freight.Place{Country: "US", Postcode: "75001"}, Route: freight.Route{WMS: w.wms}, Ordered: w.ordered}, w.claim()
	})
	serve(r, w, protocol.RequestCarrier, func(q protocol.TransportRequest) (protocol.Booked, error) {
		w.tenders = append(w.tenders, q.Tender)
		b := freight.Booking{Ref: "T1", Carrier: "FASTFRT", PRO: "PRO1", Tracking: w.tracking}
		if w.booked != nil {
			b = *w.booked
		}
		return protocol.Booked{Booking: b, Recorded: w.beside(q.Record)}, nil
	})
	serve(r, w, protocol.CancelCarrier, func(q protocol.TransportCancel) (protocol.TransportCancelled, error) {
		w.cancels = append(w.cancels, q)
		return protocol.TransportCancelled{Cancelled: w.refusal == "", Refusal: w.refusal}, w.stop()
	})
	serve(r, w, protocol.RequestShipOrder, func(q protocol.ShipOrderRequest) (protocol.ShipOrdered, error) {
		w.packs = append(w.packs, q)
		return protocol.ShipOrdered{Ref: "W1"}, w.pack()
	})
	serve(r, w, protocol.CancelShipOrder, func(q protocol.ShipOrderCancel) (protocol.ShipOrderCancelled, error) {
		w.unpacks = append(w.unpacks, q)
		return protocol.ShipOrderCancelled{Cancelled: w.keeps == "", Refusal: w.keeps}, w.unpack()
	})
	serve(r, w, protocol.RateShipment, func(q protocol.RatingRequest) (freight.Rating, error) { return w.rate(q) })
	serve(r, w, protocol.ReadBillable, func(protocol.BillableRequest) (freight.Billable, error) {
		return freight.Billable{Weight: w.weight, Pieces: 1, Blockers: w.blockers, DeliveryLine: 41, Goods: []freight.InvoiceLine{{Ref: "g_40", SaleLine: 40, Product: 8, Description: "Desk", Quantity: "2", UnitPrice: usd("250.00")}}}, nil
	})
	protocol.PostInvoice.Serve(r, func(_ context.Context, q protocol.PostingRequest) (protocol.Posted, error) {
		w.busy()
		w.mu.Lock()
		defer w.mu.Unlock()
		recorded := w.beside(q.Record)
		w.plans = append(w.plans, q.InvoicePlan)
		inv, err := w.post(q.InvoicePlan)
		return protocol.Posted{Invoice: inv, Recorded: recorded}, err
	})
	serve(r, w, protocol.CommitDraft, func(q protocol.DraftRequest) (protocol.Draft, error) {
		w.drafts = append(w.drafts, q)
		return protocol.Draft{ID: "D1"}, w.commit()
	})
	serve(r, w, protocol.TellFinance, func(q protocol.FinanceNotice) (protocol.FinanceReceipt, error) {
		w.notices = append(w.notices, q)
		return protocol.FinanceReceipt{Number: "F1"}, nil
	})
	serve(r, w, protocol.Record, func(q protocol.RecordRequest) (protocol.Recorded, error) {
		w.records = append(w.records, q)
		return protocol.Recorded{}, w.keep()
	})
	serve(r, w, protocol.ReadTerms, func(protocol.TermsRequest) (freight.Terms, error) { return *terms(), nil })
	serve(r, w, protocol.ReadNumbers, func(protocol.NumbersRequest) (protocol.Numbers, error) {
		w.asked++
		return protocol.Numbers{Numbers: w.numbers}, w.look()
	})
	serve(r, w, protocol.VerifyDecision, func(q protocol.DecisionRequest) (protocol.DecisionVerified, error) { return w.verify(q) })
	protocol.UpdateStatus.Serve(r, func(_ context.Context, q protocol.StatusUpdate) (protocol.StatusWritten, error) {
		err := w.board()
		w.mu.Lock()
		defer w.mu.Unlock()
		if err == nil {
			w.statuses = append(w.statuses, q)
		}
		return protocol.StatusWritten{}, err
	})
}

// beside keeps the record that came with a call.
func (w *world) beside(q *protocol.RecordRequest) bool {
	if q == nil || w.keep() != nil {
		return false
	}
	w.records = append(w.records, *q)
	return true
}

func serve[In, Out any](r registry, w *world, a protocol.Activity[In, Out], f func(In) (Out, error)) {
	a.Serve(r, func(_ context.Context, in In) (Out, error) {
		w.mu.Lock()
		defer w.mu.Unlock()
		return f(in)
	})
}

// story runs one shipment in the test environment.
type story struct {
	*testsuite.TestWorkflowEnvironment
	*world
	t *testing.T
	n int64
}

func newStory(t *testing.T) *story {
	var suite testsuite.WorkflowTestSuite
	s := &story{TestWorkflowEnvironment: suite.NewTestWorkflowEnvironment(), world: newWorld(), t: t}
	s.SetTestTimeout(30 * time.Second)
	s.SetStartWorkflowOptions(client.StartWorkflowOptions{ID: protocol.ShipmentWorkflowID(shipmentID), TaskQueue: protocol.QueueStories, WorkflowExecutionTimeout: 365 * 24 * time.Hour})
	s.serve(s.TestWorkflowEnvironment)
	return s
}

// registry is what stories and activities are served on: a worker or the test environment.
type registry interface {
	worker.WorkflowRegistry
	worker.ActivityRegistry
}

func (s *story) run() {
	s.ExecuteWorkflow(protocol.Shipment.Name, protocol.ShipmentInput{ID: shipmentID, Picking: 7, ReleasedBy: "odoo-scan", Terms: terms(), Edition: protocol.Carrying})
}

// at lets f happen so long after the start.
func (s *story) at(d time.Duration, f func()) { s.RegisterDelayedCallback(f, d) }

// scan numbers and sends scans in one batch.
func (s *story) scan(scans ...freight.Scan) {
	for i := range scans {
		s.n++
		scans[i].Number = s.n
	}
	s.SignalWorkflow(protocol.Scans.Name, protocol.ScanBatch{Scans: scans})
}

// decide sends a document to a dispute of the shipment.
func (s *story) decide(n int, jws string) {
	if err := s.SignalWorkflowByID(protocol.DisputeWorkflowID(freight.DisputeIDOf(shipmentID, n)), protocol.DecisionMade.Name, protocol.SignedDecision{JWS: jws}); err != nil {
		s.t.Error(err)
	}
}

func (s *story) cancel(by string) {
	s.SignalWorkflow(protocol.CancelAsked.Name, freight.CancelRequest{By: by, Reason: "order cancelled", At: s.Now()})
}

func (s *story) state() *freight.Shipment {
	v, err := s.QueryWorkflow(protocol.ShipmentState.Name)
	if err != nil {
		s.t.Fatal(err)
	}
	var st freight.Shipment
	if err := v.Get(&st); err != nil {
		s.t.Fatal(err)
	}
	return &st
}

func milestone(m freight.Milestone, at time.Time) freight.Scan {
	return freight.Scan{Key: string(m), Source: "carrier", Milestone: m, Classifier: freight.Actual, OccurredAt: at, Carrier: "FASTFRT"}
}

func pod(at time.Time) freight.Scan {
	s := milestone(freight.DocumentReceived, at)
	s.Documents = []freight.DocumentRef{{Kind: freight.DocumentPOD, SHA256: "aa", MediaType: "application/pdf", Size: 10}}
	return s
}

// charges is the carrier's invoice with linehaul of 80.00 and, unless "", detention.
func charges(at time.Time, detention string) freight.Scan {
	s := milestone(freight.ChargesReceived, at)
	inv := freight.CarrierInvoice{Carrier: "FASTFRT", Number: "C1", Total: usd("80.00"), Lines: []freight.Charge{{Ref: "C1/1", Code: freight.Linehaul, Amount: usd("80.00")}}}
	if detention != "" {
		inv.Lines = append(inv.Lines, freight.Charge{Ref: "C1/2", Code: freight.Detention, Amount: usd(detention), Quantity: "3", Unit: "h"})
		inv.Total, _ = inv.Total.Add(usd(detention))
	}
	s.Invoice = &inv
	return s
}

// carried is everything from acceptance to the carrier's invoice.
func carried(now time.Time, detention string) []freight.Scan {
	return []freight.Scan{
		milestone(freight.TenderAccepted, now), milestone(freight.PickedUp, now.Add(time.Minute)), milestone(freight.DepartedFacility, now.Add(2*time.Minute)),
		milestone(freight.OutForDelivery, now.Add(3*time.Minute)), milestone(freight.Delivered, now.Add(4*time.Minute)), pod(now.Add(5 * time.Minute)), charges(now.Add(6*time.Minute), detention),
	}
}

func (s *story) paid() {
	s.SignalWorkflow(protocol.PaymentSeen.Name, freight.Payment{Move: 99, State: freight.InvoicePaid, Residual: usd("0.00"), SeenAt: s.Now()})
}
