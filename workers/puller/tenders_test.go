package puller_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"go.uber.org/zap"
	"golang.org/x/time/rate"

	"waybill/activities/tms"
	"waybill/activities/tms/tmstest"
	"waybill/internal/partner"
	"waybill/internal/partner/partnertest"
	"waybill/internal/store"
	"waybill/starters/bridge/connectors"
	"waybill/workers/guard"
	"waybill/workers/puller"
	"waybill/workflows/freight"
	"waybill/workflows/protocol"
)

// office is a TMS that sends nothing.
type office struct {
	*world
	stand *tmstest.TMS
	asked puller.Tenders
}

func eachOffice(t *testing.T, f func(o *office)) {
	each(t, func(w *world) {
		o := &office{world: w, stand: tmstest.New()}
		o.stand.Now = w.clock.Now
		srv := httptest.NewServer(o.stand)
		w.Cleanup(srv.Close)
		c := &tms.TMS{Client: partner.New(partner.Options{Name: "TMS", URL: srv.URL, Token: func() (string, error) { return partnertest.Token, nil }})}
		o.asked = puller.Tenders{
			Source: "tms", TMS: c, After: time.Hour, Until: 14 * 24 * time.Hour, Pace: rate.NewLimiter(rate.Inf, 1),
			Guard: guard.New(w.Context(), guard.Options{System: "TMS", Probe: c.Check, Every: 20 * time.Millisecond, Log: zap.NewNop()}),
		}
		f(o)
	})
}

// tenders asks the TMS for transport and records it, as the story does: with the numbers that the TMS gives at once.
func (o *office) tenders(id freight.ShipmentID, n int) {
	o.Helper()
	b, err := o.asked.TMS.RequestTransport(o.Context(), protocol.TransportRequest{Shipment: id, Tender: n, Release: freight.Release{Carrier: "UPS"}})
	if err != nil {
		o.Fatal(err)
	}
	v := freight.View{Shipment: id, Revision: int64(n), Stage: freight.StageFulfilment, At: o.clock.Now(), Carrier: "UPS"}
	if n > 1 {
		v.Tender = n
	}
	refs := append(b.References(), freight.Reference{Kind: freight.RefShipment, Value: string(id)})
	if _, err := o.store.Record(o.Context(), store.Entry{View: v, References: refs}); err != nil {
		o.Fatal(err)
	}
}

// asks asks the TMS about what is due, and wants so many to be.
func (o *office) asks(want int) {
	o.Helper()
	if n, err := o.puller().Ask(o.Context(), o.asked); err != nil || n != want {
		o.Errorf("asked about %d, want %d: %v", n, want, err)
	}
}

func TestAnswerOfASilentTMSIsTakenOnceFromItsStatus(t *testing.T) {
	for status, answer := range map[string]struct {
		move func(*tmstest.TMS, freight.ShipmentID)
		want freight.Milestone
	}{
		"accepted":  {(*tmstest.TMS).Accept, freight.TenderAccepted},
		"declined":  {(*tmstest.TMS).Decline, freight.TenderDeclined},
		"picked up": {(*tmstest.TMS).PickedUp, freight.PickedUp},
	} {
		t.Run(status, func(t *testing.T) {
			eachOffice(t, func(o *office) {
				o.tenders("acme-1", 1)
				o.asks(0)
				o.clock.Pass(2 * time.Hour)
				o.asks(1)
				o.heard("acme-1") // it has no answer yet
				answer.move(o.stand, "acme-1")
				o.asks(0) // it was asked about just now
				o.clock.Pass(2 * time.Hour)
				o.asks(1)
				o.heard("acme-1", answer.want)
				for range 10 {
					o.clock.Pass(25 * time.Hour)
					o.asks(0) // it is answered
				}
				o.heard("acme-1", answer.want)
			})
		})
	}
}

// TestWebhookThatCameBeforeTheAnswerOrWhileItWasAskedForHasOneEffect: the statement is the same, and so is its time.
func TestWebhookThatComesBesideTheAnswerHasOneEffect(t *testing.T) {
	eachOffice(t, func(o *office) {
		o.tenders("acme-1", 1)
		o.stand.Accept("acme-1")
		o.clock.Pass(2 * time.Hour)
		o.asks(1)
		r := o.stand.Requests()[0]
		data, err := json.Marshal(connectors.Milestone{Milestone: freight.TenderAccepted, Classifier: freight.Actual, OccurredAt: r.Since, Carrier: r.Carrier, References: []freight.Reference{{Kind: freight.RefPRO, Carrier: r.Carrier, Value: r.PRO}}})
		if err != nil {
			o.Fatal(err)
		}
		webhook, err := json.Marshal(connectors.Event{SpecVersion: "1.0", ID: "e1", Source: "urn:tms", Type: connectors.MilestoneType, Subject: "shipment/acme-1", Data: data})
		if err != nil {
			o.Fatal(err)
		}
		if _, err := o.store.Accept(o.Context(), store.Delivery{Source: "tms", ID: "e1", Body: webhook, VerifiedBy: "secret 1", ReceivedAt: o.clock.Now()}); err != nil {
			o.Fatal(err)
		}
		o.heard("acme-1", freight.TenderAccepted)
	})
}

func TestNumbersThatTheTMSLearnsLaterAreTakenWithItsAnswer(t *testing.T) {
	eachOffice(t, func(o *office) {
		o.tenders("acme-1", 1)
		o.stand.Label("acme-1", "P1", "P2")
		o.clock.Pass(2 * time.Hour)
		o.asks(1)
		o.tells("P2", "in_transit/departed_facility")
		o.clock.Pass(13 * time.Hour)
		if n := o.once(); n != 2 {
			o.Errorf("asked about %d numbers, want both", n)
		}
		o.heard("acme-1", freight.DepartedFacility)
	})
}

func TestTMSThatIsDownIsNotAskedAboutTenders(t *testing.T) {
	eachOffice(t, func(o *office) {
		o.tenders("acme-1", 1)
		o.stand.Accept("acme-1")
		o.clock.Pass(2 * time.Hour)
		o.stand.Down(time.Hour)
		o.until("the guard is shut", func() bool {
			_, err := o.puller().Ask(o.Context(), o.asked)
			o.clock.Pass(10 * time.Minute)
			return err == nil && !o.asked.Guard.Passes()
		})
		o.asks(0)
		o.heard("acme-1")
		o.stand.Down(0)
		o.until("the guard lets pass", o.asked.Guard.Passes)
		o.clock.Pass(2 * time.Hour)
		o.asks(1)
		o.heard("acme-1", freight.TenderAccepted)
	})
}

// TestCarrierThatSendsOurEventsIsAskedForThem has one that answers with a list of them: each counts once, charges too, and
// one about another shipment is not taken.
func TestCarrierThatSendsOurEventsIsAskedForThem(t *testing.T) {
	each(t, func(w *world) {
		w.sails("acme-1", "P1", time.Time{})
		event := func(id, kind, number, data string) string {
			return `{"specversion":"1.0","id":"` + id + `","source":"urn:own","type":"` + kind + `","data":{"occurredAt":"` + w.clock.Now().Format(time.RFC3339) + `","references":[{"kind":"tracking","carrier":"UPS","value":"` + number + `"}],` + data + `}}`
		}
		picked := event("e1", connectors.MilestoneType, "P1", `"milestone":"picked_up"`)
		list := "[" + picked + "," + event("e2", connectors.MilestoneType, "P2", `"milestone":"delivered"`) + `,{"type":"nonsense"},` + event("e1", connectors.MilestoneType, "P1", `"milestone":"picked_up"`) + "," +
			event("e3", connectors.ChargesType, "P1", `"carrier":"UPS","invoice":{"number":"I1","total":{"number":"5.00","currency":"USD"},"lines":[{"line":"1","code":"linehaul","amount":{"number":"5.00","currency":"USD"}}]}`) + "]"
		answers := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, _ *http.Request) { _, _ = rw.Write([]byte(list)) }))
		w.Cleanup(answers.Close)
		t := w.target()
		t.Source, t.Client = "own", clientAt(answers.URL+"/events?of={number}")
		p := w.puller()
		if _, err := w.store.Accept(w.Context(), store.Delivery{Source: "own", ID: "e1", Body: []byte(picked), VerifiedBy: "secret 1", ReceivedAt: w.clock.Now()}); err != nil {
			w.Fatal(err)
		}
		w.clock.Pass(13 * time.Hour)
		if n, err := p.Once(w.Context(), t); n != 1 || err != nil {
			w.Errorf("asked about %d, %v", n, err)
		}
		w.heard("acme-1", freight.PickedUp, freight.ChargesReceived)
	})
}
