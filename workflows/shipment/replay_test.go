package shipment_test

import (
	"bytes"
	"errors"
	"os"
	"testing"
	"time"

	commonpb "go.temporal.io/api/common/v1"
	historypb "go.temporal.io/api/history/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/worker"
	"google.golang.org/protobuf/encoding/protojson"

	"waybill/internal/historytest"
	"waybill/workflows/freight"
	"waybill/workflows/protocol"
	"waybill/workflows/shipment"
)

// histories are shipments as releases of Waybill have carried them.
const histories = historytest.Goldens("testdata/histories")

// soon hands a run over after so few events that a test gets there.
const soon = "limit.historyCount.suggestContinueAsNew=120"

// situations are the ways for a shipment to go that are recorded.
func situations() []historytest.Situation {
	play := func(f func(*live)) func(*testing.T, client.Client) {
		return func(t *testing.T, c client.Client) { f(newLive(t, c)) }
	}
	return []historytest.Situation{
		{Name: "clean", Play: play(clean)},
		{Name: "shuffled", Play: play(shuffled)},
		{Name: "late-pod", Play: play(latePOD)},
		{Name: "short-delivery", Play: play(shortDelivery)},
		{Name: "dispute-approved", Play: play(func(l *live) { disputed(l, "approve") })},
		{Name: "dispute-rejected", Play: play(func(l *live) { disputed(l, "reject") })},
		{Name: "dispute-of-the-carriers-payment", Play: play(carriersPayment)},
		{Name: "dispute-withdrawn", Play: play(withdrawn)},
		{Name: "no-contract-resolved", Play: play(noContract)},
		{Name: "charges-invalid-then-corrected", Play: play(corrected)},
		{Name: "billing-outage", Play: play(billingOutage)},
		{Name: "posting-reply-lost", Play: play(replyLost)},
		{Name: "posting-refused-then-retried", Play: play(refusedPosting)},
		{Name: "facts-changed", Play: play(factsChanged)},
		{Name: "late-charge", Play: play(lateCharge)},
		{Name: "cancelled-before-pick-up", Play: play(cancelledBefore)},
		{Name: "cancelled-after-pick-up", Play: play(cancelledAfter)},
		{Name: "cancelled-in-temporal", Play: play(cancelledInTemporal)},
		{Name: "abandoned-with-a-dispute-open", Play: play(abandoned)},
		{Name: "declined-tender", Play: play(declinedTender)},
		{Name: "accepted-after-decline", Play: play(acceptedAfterDecline)},
		{Name: "garbage-signals", Play: play(garbageSignals)},
		{Name: "paid-in-part-then-in-full", Play: play(paidInPart)},
		{Name: "hand-over", Settings: []string{soon}, Runs: 2, Play: play(handedOver)},
		{Name: "reopened", Play: play(reopened)},
		{Name: "two-parcels", Play: play(twoParcels)},
		{Name: "two-tracking-numbers", Play: play(twoNumbers)},
		{Name: "promise-unknown-then-known", Play: play(promiseUnknown)},
		{Name: "reference-missing-then-supplied", Play: play(numberSupplied)},
		{Name: "reference-missing-then-waived", Play: play(numberWaived)},
		{Name: "trouble-then-cured", Play: play(troubled)},
		{Name: "delivery-taken-back-before-it-is-billed", Play: play(takenBackEarly)},
		{Name: "delivery-taken-back-after-it-is-billed", Play: play(takenBackLate)},
		{Name: "contradiction-dismissed", Play: play(contradicted)},
		{Name: "promise-at-risk-then-broken", Play: play(promiseBroken)},
		{Name: "second-exception-noted", Play: play(secondNoted)},
		{Name: "warehouse-asked", Play: play(warehoused)},
		{Name: "warehouse-refuses-then-retried", Play: play(warehouseRefuses)},
		{Name: "warehouse-down-until-the-goods-left", Play: play(warehouseDown)},
		{Name: "cancelled-at-the-warehouse", Play: play(cancelledAtWarehouse)},
		{Name: "cancelled-after-the-warehouse-handed-it-over", Play: play(handedToCarrier)},
		{Name: "encrypted", Sealed: true, Play: play(func(l *live) { disputed(l, "approve") })},
	}
}

// TestRecord plays each situation on a real server and keeps its history. Those that are there stay.
func TestRecord(t *testing.T) {
	histories.Record(t, id, "testdata/keyring.json", situations())
}

// TestReplay runs today's story over every recorded history.
func TestReplay(t *testing.T) {
	histories.Replay(t, "testdata/keyring.json", func(r worker.WorkflowReplayer) { protocol.Shipment.Serve(r, shipment.Workflow) })
}

// recorded is a history as it was recorded, to be altered to what another release would have made of it.
func recorded(t *testing.T, name string) *historypb.History {
	t.Helper()
	text, err := os.ReadFile("testdata/histories/v1/" + name + ".json")
	if err != nil {
		t.Fatal(err)
	}
	var h historypb.History
	if err := protojson.Unmarshal(text, &h); err != nil {
		t.Fatal(err)
	}
	return &h
}

// replayed runs today's story over a history.
func replayed(t *testing.T, h *historypb.History) {
	t.Helper()
	r := worker.NewWorkflowReplayer()
	protocol.Shipment.Serve(r, shipment.Workflow)
	if err := r.ReplayWorkflowHistory(nil, h); err != nil {
		t.Error(err)
	}
}

// TestShipmentThatTheReleaseBeforeCarriedPastTheWarehouseGoesOnAsItDid: while both releases ran, this one may have claimed
// it with a route that names a warehouse, and the one before read the acceptance.
func TestShipmentThatTheReleaseBeforeCarriedPastTheWarehouseGoesOnAsItDid(t *testing.T) {
	h := recorded(t, "clean")
	claims := 0
	for _, e := range h.GetEvents() {
		for _, p := range e.GetActivityTaskCompletedEventAttributes().GetResult().GetPayloads() {
			if was := p.GetData(); bytes.Contains(was, []byte(`"pickingName"`)) {
				p.Data = append(bytes.TrimSuffix(was, []byte("}")), `,"route":{"rule":"reno","version":"v1","wms":"reno"}}`...)
				claims++
			}
		}
	}
	if claims != 1 {
		t.Fatalf("%d claims were found: the test proves nothing", claims)
	}
	replayed(t, h)
}

// TestShipmentThatTheReleaseBeforeAcceptedWithoutANumberGoesOnAsItDid: while both releases ran, this one may have started
// it with a clock for numbers, and the one before read the acceptance.
func TestShipmentThatTheReleaseBeforeAcceptedWithoutANumberGoesOnAsItDid(t *testing.T) {
	h := recorded(t, "clean")
	clocks, numbers := 0, 0
	change := func(p *commonpb.Payload, n *int, was, is string) {
		if data := bytes.Replace(p.GetData(), []byte(was), []byte(is), 1); !bytes.Equal(data, p.GetData()) {
			p.Data, *n = data, *n+1
		}
	}
	for _, e := range h.GetEvents() {
		for _, p := range e.GetWorkflowExecutionStartedEventAttributes().GetInput().GetPayloads() {
			change(p, &clocks, `"clocks":{`, `"clocks":{"reference":100000000,`)
		}
		for _, p := range e.GetActivityTaskCompletedEventAttributes().GetResult().GetPayloads() {
			change(p, &numbers, `"pro":"PRO1"`, `"pro":""`)
		}
	}
	if clocks != 1 || numbers != 1 {
		t.Fatalf("%d clocks and %d numbers were found: the test proves nothing", clocks, numbers)
	}
	replayed(t, h)
}

// TestShipmentThatTheReleaseBeforeCountedGoesOnAsItDid: while both releases ran, the one before heard of parcels with a
// tracking number of their own, and counted what was released.
func TestShipmentThatTheReleaseBeforeCountedGoesOnAsItDid(t *testing.T) {
	h := recorded(t, "two-parcels")
	told := 0
	for _, e := range h.GetEvents() {
		for _, p := range e.GetWorkflowExecutionSignaledEventAttributes().GetInput().GetPayloads() {
			told += bytes.Count(p.GetData(), []byte(`"parcel":"`))
			p.Data = bytes.ReplaceAll(p.GetData(), []byte(`"parcel":"`), []byte(`"numbered":9,"parcel":"`))
		}
	}
	if told == 0 {
		t.Fatal("nothing was told of a parcel: the test proves nothing")
	}
	replayed(t, h)
}

func TestRecordedHistoriesAreUnchanged(t *testing.T) { histories.CheckUnchanged(t) }

// begin starts the shipment and waits until the TMS has it.
func (l *live) begin() {
	l.t.Helper()
	l.start(terms())
	l.quiet()
}

// finish pays the invoice once it is posted, and waits for the end.
func (l *live) finish() {
	l.t.Helper()
	l.stage(freight.StageSettlement)
	l.pay(freight.InvoicePaid, "0.00")
	l.ended()
}

func clean(l *live) {
	l.begin()
	for _, e := range eight(time.Now()) {
		l.send(e)
		l.quiet()
	}
	l.finish()
}

func shuffled(l *live) {
	l.begin()
	now := time.Now()
	es := numbered([]freight.Scan{charges(now, ""), pod(now), milestone(freight.Delivered, now), milestone(freight.PickedUp, now), milestone(freight.TenderAccepted, now), milestone(freight.OutForDelivery, now)})
	l.n = int64(len(es))
	l.signal(protocol.Scans.Name, protocol.ScanBatch{Scans: es[3:]})
	l.signal(protocol.Scans.Name, protocol.ScanBatch{Scans: es[:4]})
	l.signal(protocol.Scans.Name, protocol.ScanBatch{Scans: es})
	l.finish()
}

func latePOD(l *live) {
	quick := terms()
	quick.Clocks.POD = time.Second
	l.start(quick)
	l.quiet()
	l.send(delivered(time.Now())[:5]...)
	l.until(func(s *freight.Shipment) bool { return len(open(s, freight.PODMissing)) == 1 })
	l.send(pod(time.Now()))
	l.quiet()
	l.send(charges(time.Now(), ""))
	l.finish()
}

func shortDelivery(l *live) {
	l.begin()
	es := carried(time.Now(), "")
	es[4].Pieces = freight.Pieces{Delivered: 1, Expected: 2}
	l.send(es...)
	l.resolve(freight.PODShort, freight.Retry)
	l.finish()
}

func disputed(l *live, verdict string) {
	l.begin()
	l.send(carried(time.Now(), "90.00")...)
	l.decide(1, "forged")
	l.decide(1, verdict)
	l.finish()
}

func carriersPayment(l *live) {
	l.begin()
	l.send(append(delivered(time.Now()), carrierBill(time.Now(), "C1", charged(freight.Linehaul, "95.00")))...)
	l.stage(freight.StageSettlement)
	l.pay(freight.InvoicePaid, "0.00")
	l.decide(1, "reject")
	l.ended()
}

// withdrawn rates the disputed charge anew, by a contract that was corrected.
func withdrawn(l *live) {
	l.begin()
	l.send(carried(time.Now(), "90.00")...)
	l.until(func(s *freight.Shipment) bool { return len(s.OpenDisputes()) == 1 })
	l.with(func() {
		l.rate = func(q protocol.RatingRequest) (freight.Rating, error) {
			r := ratingOf(q)
			for i, line := range r.Lines {
				if line.Side == freight.Buy && line.Code == freight.Detention {
					r.Lines[i].Amount = usd("90.00")
				}
			}
			return r, nil
		}
	})
	l.send(carrierBill(time.Now(), "C2", charged(freight.Linehaul, "79.00")))
	l.finish()
}

func noContract(l *live) {
	known := false
	l.rate = func(q protocol.RatingRequest) (freight.Rating, error) {
		if !known {
			return freight.Rating{}, protocol.NoContract.Of(errors.New("no contract ACME-2026"))
		}
		return ratingOf(q), nil
	}
	l.begin()
	l.send(carried(time.Now(), "")...)
	l.until(func(s *freight.Shipment) bool { return len(open(s, freight.ContractMissing)) == 1 })
	l.with(func() { known = true })
	l.resolve(freight.ContractMissing, freight.Retry)
	l.finish()
}

func corrected(l *live) {
	l.begin()
	bad := carrierBill(time.Now(), "C1", charged(freight.Linehaul, "80.00"))
	bad.Invoice.Total = usd("81.00")
	l.send(append(delivered(time.Now()), bad)...)
	l.until(func(s *freight.Shipment) bool { return len(open(s, freight.ChargesInvalid)) == 1 })
	l.send(carrierBill(time.Now(), "C1A", charged(freight.Linehaul, "80.00")))
	l.finish()
}

func billingOutage(l *live) {
	down := true
	l.rate = func(q protocol.RatingRequest) (freight.Rating, error) {
		if down {
			return freight.Rating{}, protocol.Transient.Of(errors.New("billing engine is down"))
		}
		return ratingOf(q), nil
	}
	l.beginUnrated()
	l.send(carried(time.Now(), "")...)
	l.until(func(s *freight.Shipment) bool { return s.Shown.Status == freight.StatusDelivered })
	l.with(func() { down = false })
	l.finish()
}

// beginUnrated starts the shipment where the estimate cannot be had.
func (l *live) beginUnrated() {
	l.t.Helper()
	l.start(terms())
	l.until(func(s *freight.Shipment) bool { return s.Booking.Ref != "" })
}

func replyLost(l *live) {
	post, lost := l.post, false
	l.post = func(p freight.InvoicePlan) (freight.Invoice, error) {
		if !lost {
			lost = true
			return freight.Invoice{}, protocol.Ambiguous.Of(errors.New("no answer in 120 s"))
		}
		inv, err := post(p)
		inv.Adopted = true
		return inv, err
	}
	l.begin()
	l.send(carried(time.Now(), "")...)
	l.finish()
}

func refusedPosting(l *live) {
	post, closed := l.post, true
	l.post = func(p freight.InvoicePlan) (freight.Invoice, error) {
		if closed {
			return freight.Invoice{}, protocol.Rejected.Of(errors.New("the period is closed in Odoo until 2026-11-30"))
		}
		return post(p)
	}
	l.begin()
	l.send(carried(time.Now(), "")...)
	l.until(func(s *freight.Shipment) bool { return len(open(s, freight.PostingFailed)) == 1 })
	l.with(func() { closed = false })
	l.resolve(freight.PostingFailed, freight.Retry)
	l.finish()
}

func factsChanged(l *live) {
	post, first := l.post, true
	l.post = func(p freight.InvoicePlan) (freight.Invoice, error) {
		if first {
			first = false
			return freight.Invoice{}, protocol.FactsChanged.Of(errors.New("delivered quantity is 1, was 2"))
		}
		return post(p)
	}
	l.begin()
	l.send(carried(time.Now(), "")...)
	l.finish()
}

func lateCharge(l *live) {
	l.begin()
	l.send(carried(time.Now(), "")...)
	l.stage(freight.StageSettlement)
	l.send(carrierBill(time.Now(), "C2", charged(freight.Detention, "50.00")))
	l.resolve(freight.LateCharge, freight.Dismiss)
	l.pay(freight.InvoicePaid, "0.00")
	l.ended()
}

func (l *live) cancel() {
	l.t.Helper()
	l.signal(protocol.CancelAsked.Name, freight.CancelRequest{By: "odoo", Reason: "the delivery was cancelled in Odoo", At: time.Now()})
}

func cancelledBefore(l *live) {
	l.begin()
	l.send(milestone(freight.TenderAccepted, time.Now()))
	l.cancel()
	l.ended()
}

func cancelledAfter(l *live) {
	l.begin()
	es := carried(time.Now(), "")
	l.send(es[:2]...)
	l.quiet()
	l.cancel()
	l.resolve(freight.CancelTooLate, freight.Dismiss)
	l.send(es[2:]...)
	l.finish()
}

func cancelledInTemporal(l *live) {
	l.begin()
	if err := l.c.CancelWorkflow(l.t.Context(), id, ""); err != nil {
		l.t.Fatal(err)
	}
	l.ended()
}

func abandoned(l *live) {
	l.begin()
	l.send(append(carried(time.Now(), "90.00"), milestone(freight.Damaged, time.Now()))...)
	l.until(func(s *freight.Shipment) bool { return len(s.OpenDisputes()) == 1 })
	l.resolve(freight.FreightDamaged, freight.Abandon)
	l.ended()
}

func declinedTender(l *live) {
	l.begin()
	l.send(milestone(freight.TenderDeclined, time.Now()))
	l.resolve(freight.TenderWasDeclined, freight.Retry)
	l.until(func(s *freight.Shipment) bool { return s.Tenders == 2 && len(s.Intents) == 0 })
	l.send(carried(time.Now(), "")...)
	l.finish()
}

func acceptedAfterDecline(l *live) {
	l.begin()
	l.send(milestone(freight.TenderDeclined, time.Now()))
	l.until(func(s *freight.Shipment) bool { return len(open(s, freight.TenderWasDeclined)) == 1 })
	l.send(milestone(freight.TenderAccepted, time.Now()))
	l.until(func(s *freight.Shipment) bool {
		return len(open(s, freight.TenderWasDeclined)) == 0 && len(s.Intents) == 0
	})
	l.send(carried(time.Now(), "")[1:]...)
	l.finish()
}

func garbageSignals(l *live) {
	l.begin()
	for _, name := range []string{protocol.Scans.Name, protocol.PaymentSeen.Name, protocol.ResolveAsked.Name, protocol.CancelAsked.Name, protocol.DisputeSettled.Name} {
		l.signal(name, "garbage")
		l.signal(name, nil)
	}
	l.until(func(s *freight.Shipment) bool { return len(open(s, freight.MessageUnreadable)) == 1 })
	l.send(carried(time.Now(), "")...)
	l.finish()
}

func paidInPart(l *live) {
	l.begin()
	l.send(carried(time.Now(), "")...)
	l.stage(freight.StageSettlement)
	l.pay(freight.InvoicePartPaid, "250.00")
	l.until(func(s *freight.Shipment) bool { return s.Shown.InvoiceState == freight.InvoicePartPaid })
	l.pay(freight.InvoicePaid, "0.00")
	l.ended()
}

// handedOver lets the server ask for a fresh run while the billing engine is down and a rating is out.
func handedOver(l *live) {
	down := true
	l.rate = func(q protocol.RatingRequest) (freight.Rating, error) {
		if down && len(q.Charges) > 0 {
			return freight.Rating{}, protocol.Transient.Of(errors.New("billing engine is down"))
		}
		return ratingOf(q), nil
	}
	l.begin()
	for _, e := range eight(time.Now()) {
		l.send(e)
		l.until(func(s *freight.Shipment) bool { return s.HighWater >= l.n && len(s.Unfiled()) == 0 })
	}
	for range 20 {
		if len(historytest.Runs(l.t, l.c, id)) > 1 {
			break
		}
		l.send(milestone(freight.Delayed, time.Now()))
		l.until(func(s *freight.Shipment) bool { return s.HighWater >= l.n })
	}
	l.with(func() { down = false })
	l.finish()
}

func twoParcels(l *live) {
	l.begin()
	now := time.Now()
	l.send(milestone(freight.PickedUp, now), parcel("A", milestone(freight.LabelCreated, now)), parcel("B", milestone(freight.LabelCreated, now)), parcel("A", milestone(freight.Delivered, now)))
	l.quiet()
	l.send(pod(now), charges(now, ""), parcel("B", milestone(freight.Delivered, now)))
	l.finish()
}

// twoNumbers has two labels for what was released as five pieces.
func twoNumbers(l *live) {
	l.pieces = 5
	l.begin()
	now := time.Now()
	l.send(milestone(freight.PickedUp, now), numberedParcel("A", 2, milestone(freight.Delivered, now)))
	l.quiet()
	l.send(pod(now), charges(now, ""), numberedParcel("B", 2, milestone(freight.Delivered, now)))
	l.finish()
}

func troubled(l *live) {
	l.begin()
	now := time.Now()
	l.send(append(carried(now, "")[:2], reason(freight.ReasonConsigneeNotHome, milestone(freight.DeliveryAttempted, now.Add(2*time.Minute))))...)
	l.until(func(s *freight.Shipment) bool {
		return len(open(s, freight.AttemptFailed)) == 1 && s.Shown.Exception != ""
	})
	l.send(milestone(freight.OutForDelivery, now.Add(3*time.Minute)))
	l.quiet()
	l.send(carried(now, "")[4:]...)
	l.finish()
}

// again is the delivery that holds, with a proof of its own.
func again(at time.Time) []freight.Scan {
	second, paper := milestone(freight.Delivered, at), pod(at)
	second.Key, paper.Key, paper.Documents[0].SHA256 = "delivered again", "second pod", "bb"
	return []freight.Scan{second, paper}
}

func takenBackEarly(l *live) {
	l.begin()
	now := time.Now()
	l.send(carried(now, "")[:6]...)
	l.stage(freight.StageCharges)
	l.send(takenBack(freight.Delivered, now.Add(10*time.Minute)))
	l.stage(freight.StageTransit)
	l.send(append(again(now.Add(20*time.Minute)), charges(now, ""))...)
	l.finish()
}

func takenBackLate(l *live) {
	l.begin()
	now := time.Now()
	l.send(carried(now, "")...)
	l.stage(freight.StageSettlement)
	l.send(takenBack(freight.Delivered, now.Add(10*time.Minute)))
	l.until(func(s *freight.Shipment) bool { return len(open(s, freight.DeliveryTakenBack)) == 1 })
	l.pay(freight.InvoicePaid, "0.00")
	l.send(again(now.Add(20 * time.Minute))...)
	l.ended()
}

func contradicted(l *live) {
	l.begin()
	now := time.Now()
	l.send(append(carried(now, ""), milestone(freight.Lost, now.Add(30*time.Minute)))...)
	l.resolve(freight.StatusContradictory, freight.Dismiss)
	l.finish()
}

func promiseBroken(l *live) {
	quick := watched()
	quick.Clocks.Deliver, quick.SLA.Buffer = 6*time.Second, 3*time.Second
	l.start(quick)
	l.until(func(s *freight.Shipment) bool { return len(open(s, freight.DeliveryAtRisk)) == 1 })
	l.until(func(s *freight.Shipment) bool {
		return len(open(s, freight.DeliveryOverdue)) == 1 && s.Shown.SLA == freight.Late
	})
	l.send(carried(time.Now(), "")...)
	l.finish()
}

// secondNoted has an exception that the order does not show, since another is older: it is noted all the same.
func secondNoted(l *live) {
	l.begin()
	es := carried(time.Now(), "")
	l.send(es[:2]...)
	l.quiet()
	l.signal(protocol.Scans.Name, "garbage")
	l.until(func(s *freight.Shipment) bool {
		return len(open(s, freight.MessageUnreadable)) == 1 && s.Shown.Exception != ""
	})
	l.cancel()
	l.until(func(s *freight.Shipment) bool {
		return len(open(s, freight.CancelTooLate)) == 1 && len(s.Chatter.Unsaid) == 0
	})
	l.resolve(freight.CancelTooLate, freight.Dismiss)
	l.send(es[2:]...)
	l.finish()
}

// accept starts a shipment whose route names a warehouse, and lets a carrier accept it.
func (l *live) accept() {
	l.t.Helper()
	l.wms = "reno"
	l.begin()
	l.send(milestone(freight.TenderAccepted, time.Now()))
}

func warehoused(l *live) {
	l.accept()
	l.until(func(s *freight.Shipment) bool { return s.ShipOrder.Ref != "" })
	l.send(carried(time.Now(), "")[1:]...)
	l.finish()
}

func warehouseRefuses(l *live) {
	mended := false
	l.pack = func() error {
		if !mended {
			return protocol.Rejected.Of(errors.New("there is no dock for FASTFRT"))
		}
		return nil
	}
	l.accept()
	l.until(func(s *freight.Shipment) bool { return len(open(s, freight.PartnerFailed)) == 1 })
	l.with(func() { mended = true })
	l.resolve(freight.PartnerFailed, freight.Retry)
	l.until(func(s *freight.Shipment) bool { return s.ShipOrder.Ref != "" })
	l.send(carried(time.Now(), "")[1:]...)
	l.finish()
}

func warehouseDown(l *live) {
	l.pack = func() error { return protocol.Transient.Of(errors.New("the WMS is down")) }
	l.accept()
	l.until(func(s *freight.Shipment) bool { return s.Intends("ship-order") })
	l.send(carried(time.Now(), "")[1:]...)
	l.finish()
}

func cancelledAtWarehouse(l *live) {
	l.accept()
	l.until(func(s *freight.Shipment) bool { return s.ShipOrder.Ref != "" })
	l.cancel()
	l.ended()
}

func handedToCarrier(l *live) {
	l.keeps = "handed over"
	l.accept()
	l.until(func(s *freight.Shipment) bool { return s.ShipOrder.Ref != "" })
	l.cancel()
	l.resolve(freight.CancelTooLate, freight.Dismiss)
	l.send(carried(time.Now(), "")[1:]...)
	l.finish()
}

// reopened is a charge for a shipment that has closed.
func reopened(l *live) {
	clean(l)
	var final *freight.Shipment
	l.with(func() { final = l.records[len(l.records)-1].Final })
	late := carrierBill(time.Now(), "C2", charged(freight.Detention, "50.00"))
	late.Number = final.HighWater + 1
	if err := protocol.ReopenShipment(l.t.Context(), l.c, *final, protocol.ScanBatch{Scans: []freight.Scan{late}}); err != nil {
		l.t.Fatal(err)
	}
	l.resolve(freight.LateCharge, freight.Dismiss)
	l.ended()
}

// promiseUnknown is accepted, and nobody says when it will come; then the carrier does.
func promiseUnknown(l *live) {
	l.start(watched())
	l.quiet()
	l.send(milestone(freight.TenderAccepted, time.Now()))
	l.until(func(s *freight.Shipment) bool { return s.Shown.SLA == freight.Unknown && len(s.Intents) == 0 })
	eta := milestone(freight.ETAUpdated, time.Now())
	eta.Classifier, eta.ETA = freight.Estimated, time.Now().Add(time.Hour)
	l.send(eta)
	l.until(func(s *freight.Shipment) bool {
		return s.Shown.SLA == "" && len(s.Intents) == 0 && !s.Shown.ETA.IsZero()
	})
	l.send(carried(time.Now(), "")[1:]...)
	l.finish()
}

// unnumbered starts a shipment whose TMS names no number of the carrier's, lets a carrier accept it, and waits until people
// are asked for one.
func (l *live) unnumbered() {
	l.t.Helper()
	l.booked = &freight.Booking{Ref: "T1", Carrier: "FASTFRT"}
	quick := terms()
	quick.Clocks.Reference = time.Second
	l.start(quick)
	l.quiet()
	l.send(milestone(freight.TenderAccepted, time.Now()))
	l.until(func(s *freight.Shipment) bool {
		return len(open(s, freight.ReferenceMissing)) == 1 && len(s.Intents) == 0
	})
}

func numberSupplied(l *live) {
	l.unnumbered()
	l.signal(protocol.NumbersKnown.Name, freight.NumbersGiven{Numbers: []freight.Reference{{Kind: freight.RefTracking, Value: "1Z1"}}, By: "ann", Reason: "called the carrier"})
	l.until(func(s *freight.Shipment) bool {
		return len(open(s, freight.ReferenceMissing)) == 0 && len(s.Intents) == 0
	})
	l.send(carried(time.Now(), "")[1:]...)
	l.finish()
}

func numberWaived(l *live) {
	l.unnumbered()
	l.resolve(freight.ReferenceMissing, freight.Waive)
	l.until(func(s *freight.Shipment) bool {
		return len(open(s, freight.ReferenceMissing)) == 0 && len(s.Intents) == 0
	})
	l.send(carried(time.Now(), "")[1:]...)
	l.finish()
}
