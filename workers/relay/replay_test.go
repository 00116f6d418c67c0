package relay_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"waybill/internal/store"
	"waybill/internal/store/storetest"
	"waybill/starters/bridge/connectors/declared"
	"waybill/workers/relay"
	"waybill/workflows/freight"
)

// version is one of a connector for a partner whose events are a number, a code and a time.
func version(t testing.TB, n int, program, codes string) *declared.Connector {
	t.Helper()
	c, err := declared.Parse(fmt.Appendf(nil, "name: acme\nversion: %d\nowner: o\ncontact: c\ncontent: json\nauth: github\ncarrier: ACME\nprogram: %q\ncodes: {%s}\n", n, program, codes))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

const events = `.e[] | {tracking: .n, code: .c, at: .at}`

// history is a delivery with one event for each code, an hour apart.
func history(codes ...string) string {
	var es []string
	for i, c := range codes {
		es = append(es, fmt.Sprintf(`{"n":"P1","c":%q,"at":"2026-11-24T%02d:00:00Z"}`, c, i))
	}
	return `{"e":[` + strings.Join(es, ",") + `]}`
}

// reads files what has come, as a source named acme, by a connector.
func (w *world) reads(c *declared.Connector) {
	w.Helper()
	r := w.relay("r")
	r.Connectors = by{"acme": c}
	w.once(r)
	w.once(r)
}

func (w *world) replay(c *declared.Connector, change ...func(*relay.Replay)) relay.Outcome {
	w.Helper()
	r := &relay.Replay{Store: w.store, Connector: c, Source: "acme", From: w.clock.Now().Add(-time.Hour), To: w.clock.Now().Add(time.Hour)}
	for _, f := range change {
		f(r)
	}
	o, err := r.Run(w.Context())
	if err != nil {
		w.Fatal(err)
	}
	return o
}

func dry(r *relay.Replay) { r.DryRun = true }

func (w *world) parcel(number string) {
	w.Helper()
	w.record(store.Entry{View: freight.View{Shipment: "acme-1", Revision: 1}, References: []freight.Reference{{Kind: freight.RefShipment, Value: "acme-1"}, tracking("ACME", number)}})
	w.temporal.start("acme-1")
}

// kinds are those of changes, each with the milestones before and after.
func kinds(o relay.Outcome) (ks []string) {
	for _, c := range o.Changes {
		text := string(c.Kind)
		if c.Was != nil {
			text += " was " + string(c.Was.Milestone)
		}
		if c.Is != nil {
			text += " is " + string(c.Is.Milestone)
		}
		ks = append(ks, text)
	}
	return ks
}

func TestReplayByTheSameVersionChangesNothing(t *testing.T) {
	each(t, func(w *world) {
		w.parcel("P1")
		v1 := version(w, 1, events, "A: picked_up, B: delivered")
		for i := range 3 {
			w.accept("acme", history("A", "X", "B")[:len(history("A", "X", "B"))-2]+strings.Repeat(" ", i)+"]}")
		}
		w.reads(v1)
		w.heard("acme-1", "A", "X", "B")
		for range 2 {
			if o := w.replay(v1); o.Read != 3 || o.Unchanged != 3 || len(o.Changes) > 0 || o.Filed > 0 {
				w.Errorf("%+v", o)
			}
		}
		w.reads(v1)
		w.heard("acme-1", "A", "X", "B")
	})
}

func TestReplayByABetterMappingSaysOnceWhatWasNotUnderstood(t *testing.T) {
	each(t, func(w *world) {
		w.parcel("P1")
		v1, v2 := version(w, 1, events, "A: picked_up"), version(w, 2, events, "A: picked_up, B: delivered")
		w.accept("acme", history("A", "B"))
		w.accept("acme", history("A", "B")+" ") // the same history again, in another delivery
		w.reads(v1)
		w.heard("acme-1", "A", "B")
		want := []string{"changed was unclassified is delivered"}
		if o := w.replay(v2, dry); !slices.Equal(kinds(o), want) || o.Filed > 0 || o.Changes[0].Shipment != "acme-1" || o.Changes[0].ReadBy != "acme@1" {
			w.Errorf("a dry run: %+v", o)
		}
		w.counts(map[string]int{"sent": 2, "matched": 0})
		if o := w.replay(v2); !slices.Equal(kinds(o), want) || o.Filed != 1 {
			w.Errorf("%v, filed %d", kinds(o), o.Filed)
		}
		w.reads(v2)
		w.heard("acme-1", "A", "B", "B")
		if o := w.replay(v2, dry); o.Filed > 0 || slices.Contains(kinds(o), want[0]) {
			w.Errorf("again: %v", kinds(o))
		}
		w.replay(v2)
		w.reads(v2)
		w.heard("acme-1", "A", "B", "B")
	})
}

func TestReplayFindsTheShipmentOfWhatWasReadUnderAWrongNumber(t *testing.T) {
	each(t, func(w *world) {
		w.parcel("P1")
		v1 := version(w, 1, `.e[] | {tracking: ("X" + .n), code: .c, at: .at}`, "A: picked_up")
		w.accept("acme", history("A"))
		w.reads(v1)
		w.counts(map[string]int{"unmatched": 1})
		v2 := version(w, 2, events, "A: picked_up")
		if o := w.replay(v2); !slices.Equal(kinds(o), []string{"changed was picked_up is picked_up"}) || o.Filed != 1 {
			w.Errorf("%v, filed %d", kinds(o), o.Filed)
		}
		w.reads(v2)
		w.heard("acme-1", "A")
		w.counts(map[string]int{"unmatched": 0, "replaced": 1, "sent": 1})
	})
}

func TestWhatAMappingThatIsRolledBackHadReplacedWaitsAgain(t *testing.T) {
	each(t, func(w *world) {
		v1, v2 := version(w, 1, events, "A: picked_up"), version(w, 2, `.e[] | {tracking: ("X" + .n), code: .c, at: .at}`, "A: picked_up")
		w.accept("acme", history("A"))
		w.reads(v1)
		w.replay(v2)
		w.counts(map[string]int{"unmatched": 1, "replaced": 1})
		if o := w.replay(v1, dry); len(o.Changes) != 1 || o.Changes[0].Is == nil || o.Changes[0].Is.References[0].Value != "P1" {
			w.Errorf("a dry run: %+v", o)
		}
		if o := w.replay(v1); o.Unmatched != 1 || o.Filed != 0 {
			w.Errorf("%+v", o)
		}
		w.counts(map[string]int{"unmatched": 1, "replaced": 1})
		if o := w.replay(v1); o.Unchanged != 1 || len(o.Changes) > 0 {
			w.Errorf("again: %+v", o)
		}
		w.parcel("P1")
		w.reads(v1)
		w.heard("acme-1", "A")
		w.record(store.Entry{View: freight.View{Shipment: "acme-2", Revision: 1}, References: []freight.Reference{tracking("ACME", "XP1")}})
		w.reads(v1)
		w.counts(map[string]int{"unmatched": 0, "replaced": 1, "sent": 1})
	})
}

func TestDeadLettersAreReadByAVersionThatCan(t *testing.T) {
	each(t, func(w *world) {
		w.parcel("P1")
		v1 := version(w, 1, `error("nobody wrote this yet")`, "A: picked_up")
		w.accept("acme", history("A"))
		w.accept("acme", `{"e":`)
		refused := store.Delivery{Source: "acme", ID: "9#abc", Body: []byte(history("B")), ReceivedAt: w.clock.Now(), State: store.Dead, Reason: "refused at the door: its sender was told"}
		if _, err := w.store.Accept(w.Context(), refused); err != nil {
			w.Fatal(err)
		}
		w.reads(v1)
		v2 := version(w, 2, events, "A: picked_up, B: delivered")
		o := w.replay(v2, func(r *relay.Replay) { r.DeadOnly = true })
		if !slices.Equal(kinds(o), []string{"added is picked_up"}) || o.Read != 2 || o.Filed != 1 {
			w.Errorf("%+v", o)
		}
		w.reads(v2)
		w.heard("acme-1", "A")
		dead, err := w.store.Deliveries(w.Context(), store.Dead, "", 10)
		if err != nil || len(dead) != 2 || dead[1].Reason == "" {
			w.Errorf("%+v, %v", dead, err)
		}
	})
}

func TestReplayByAWorseVersionTakesNothingBackUnasked(t *testing.T) {
	w := newWorld(t, storetest.SQLite(t))
	w.parcel("P1")
	v1, v2 := version(w, 1, events, "A: picked_up, B: delivered"), version(w, 2, events+` | if .code == "B" then error("B is not ours") else . end`, "A: picked_up")
	w.accept("acme", history("A", "B"))
	w.accept("acme", history("A"))
	w.reads(v1)
	o := w.replay(v2)
	if len(o.Changes) != 1 || o.Changes[0].Kind != relay.Unreadable || !strings.Contains(o.Changes[0].Why, "B is not ours") || o.Unchanged != 1 {
		t.Errorf("%+v", o)
	}
	if d := w.newest("acme", 2); d[1].State != store.Done || d[1].Connector != "acme@1" {
		t.Errorf("it is %+v", d[1])
	}
	v3 := version(w, 3, events+` | select(.code != "B")`, "A: picked_up")
	if o := w.replay(v3); !slices.Equal(kinds(o), []string{"withdrawn was delivered"}) {
		t.Errorf("%v", kinds(o))
	}
	w.reads(v3)
	w.heard("acme-1", "A", "B")
	w.counts(map[string]int{"sent": 2, "replaced": 0})
}

func TestReplayReadsOnlyItsWindow(t *testing.T) {
	w := newWorld(t, storetest.SQLite(t))
	v1 := version(w, 1, events, "A: picked_up")
	for range 250 { // more than one page
		w.accept("acme", history("A")+strings.Repeat(" ", w.came))
		w.clock.Pass(time.Second)
	}
	for range 5 {
		w.reads(v1)
	}
	o := w.replay(v1, dry, func(r *relay.Replay) {
		r.From, r.To = w.clock.Now().Add(-240*time.Second), w.clock.Now().Add(-10*time.Second)
	})
	if o.Read != 230 {
		t.Errorf("%d were read again, want 230", o.Read)
	}
}

// newest are the last deliveries of a source, the newest first.
func (w *world) newest(source string, n int) []store.Delivery {
	w.Helper()
	ds, err := w.store.Deliveries(w.Context(), "", source, n)
	if err != nil || len(ds) != n {
		w.Fatal(ds, err)
	}
	return ds
}
