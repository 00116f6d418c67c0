package relay_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"waybill/starters/bridge/connectors"
	"waybill/workers/relay"
	"waybill/workflows/freight"
)

// retracting takes back what shipments were told.
func (w *world) retracting(r *relay.Replay) {
	r.Retract, r.Now = &relay.Correction{By: "ann", Reason: "B is an attempt"}, w.clock.Now
}

func TestStatementThatAMappingMadeWronglyIsTakenBackOnce(t *testing.T) {
	each(t, func(w *world) {
		w.parcel("P1")
		v1, v2 := version(w, 1, events, "A: picked_up, B: delivered"), version(w, 2, events, "A: picked_up, B: delivery_attempted")
		w.accept("acme", history("A", "B"))
		w.reads(v1)
		if o := w.replay(v2, dry, w.retracting); o.TakenBack != 1 || len(o.Changes) != 1 || !o.Changes[0].TakenBack || o.Changes[0].Was.Milestone != freight.Delivered || o.Changes[0].Shipment != "acme-1" {
			w.Errorf("a dry run: %+v", o)
		}
		if ds, err := w.store.Deliveries(w.Context(), "", connectors.ByHand, 10); err != nil || len(ds) > 0 {
			w.Errorf("a dry run files %+v, %v", ds, err)
		}
		if o := w.replay(v2); o.Filed != 1 || o.TakenBack != 0 { // as one who did not think of it at once
			w.Errorf("%+v", o)
		}
		w.reads(v2)
		if j := w.temporal.story("acme-1").journey; !j.Has(freight.Delivered) {
			w.Error("it is not delivered before anyone took it back")
		}
		if o := w.replay(v2, w.retracting); o.Filed != 0 || o.TakenBack != 1 {
			w.Errorf("%+v", o)
		}
		w.reads(v2)
		heard := []string{"A", "B", "B", "retracts B"}
		w.heard("acme-1", heard...)
		if j := w.temporal.story("acme-1").journey; j.Has(freight.Delivered) || !j.Has(freight.DeliveryAttempted) || len(j.Retractions) != 1 || j.Retractions[0].Source != "acme" {
			w.Errorf("%+v", j)
		}
		w.clock.Pass(time.Minute)
		if o := w.replay(v2, w.retracting); o.TakenBack != 0 || len(o.Changes) != 1 || o.Changes[0].Stands != "it was taken back before" {
			w.Errorf("again: %+v", o)
		}
		w.reads(v2)
		w.heard("acme-1", heard...)
		if d := w.newest(connectors.ByHand, 1)[0]; d.VerifiedBy != "ann" || d.Headers["by"] != "ann" || d.Headers["reason"] != "B is an attempt" || d.Headers["delivery"] != "1" {
			w.Errorf("it is kept as %+v", d)
		}
	})
}

func TestWhatIsStillSaidOrMovesNothingIsNotTakenBack(t *testing.T) {
	at := func(codes ...string) string {
		var es []string
		for _, c := range codes {
			es = append(es, fmt.Sprintf(`{"n":"P1","c":%q,"at":"2026-11-24T08:00:00Z"}`, c))
		}
		return `{"e":[` + strings.Join(es, ",") + `]}`
	}
	for name, tt := range map[string]struct {
		deliveries []string
		first      string // the codes of the first version; of the second, D alone is delivered
		stands     string
	}{
		"by the same delivery":               {[]string{at("B", "D")}, "B: delivered, D: delivered", "of the same milestone at the same time"},
		"by another delivery":                {[]string{at("B"), at("D")}, "B: delivered, D: delivered", "in another statement"},
		"it was not understood":              {[]string{at("B")}, "D: delivered", "moves nothing"},
		"it is a forecast":                   {[]string{at("B")}, "B: {milestone: eta_updated, classifier: estimated}", "moves nothing"},
		"the same for another reason, as is": {[]string{at("D")}, "D: {milestone: delivered, reason: unknown}", "of the same milestone at the same time"},
	} {
		t.Run(name, func(t *testing.T) {
			each(t, func(w *world) {
				w.parcel("P1")
				for _, d := range tt.deliveries {
					w.accept("acme", d)
				}
				v1, v2 := version(w, 1, events, tt.first), version(w, 2, events, "B: delivery_attempted, D: delivered")
				w.reads(v1)
				o := w.replay(v2, w.retracting)
				if o.TakenBack != 0 || len(o.Changes) != 1 || !strings.Contains(o.Changes[0].Stands, tt.stands) {
					w.Errorf("%+v", o)
				}
				w.reads(v2)
				if j := w.temporal.story("acme-1").journey; len(j.Retractions) > 0 {
					w.Errorf("%+v", j.Retractions)
				}
			})
		})
	}
}
