package script_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"waybill/activities/carrier/carriertest"
	"waybill/activities/tms"
	"waybill/internal/store"
	"waybill/starters/bridge/connectors"
	"waybill/starters/rig"
	"waybill/starters/rig/script"
	"waybill/workflows/freight"
)

// archive is a carrier that sends nothing, and answers with the events it would have sent, by PRO number.
type archive struct {
	mu     sync.Mutex
	events map[string][]json.RawMessage
}

func (a *archive) tell(data any, body []byte) {
	var refs []freight.Reference
	switch e := data.(type) {
	case connectors.Milestone:
		refs = e.References
	case connectors.Charges:
		refs = e.References
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, r := range refs {
		a.events[r.Value] = append(a.events[r.Value], body)
	}
}

func (a *archive) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	a.mu.Lock()
	defer a.mu.Unlock()
	list := a.events[r.URL.Query().Get("pro")]
	if list == nil {
		list = []json.RawMessage{}
	}
	w.Header().Set("Content-Type", "application/cloudevents-batch+json")
	_ = json.NewEncoder(w).Encode(list) // who asked has gone if this fails
}

// silence is a company whose partners send nothing.
type silence struct {
	*testing.T
	*rig.House
	archive *archive
	parcels *carriertest.Provider
}

func openSilence(t *testing.T) *silence {
	s := &silence{T: t, archive: &archive{events: map[string][]json.RawMessage{}}, parcels: carriertest.New("easypost")}
	t.Cleanup(s.parcels.Close)
	answers := httptest.NewServer(s.archive)
	t.Cleanup(answers.Close)
	h, err := rig.Open(t.Context(), rig.Options{
		Dir: t.TempDir(), Say: t.Logf, Late: 8 * time.Second, Sources: []string{`{name: parcels, owner: demo, connector: easypost, secrets: ["never used"]}`},
		More: fmt.Sprintf(`pull:
  - {source: carrier, url: "%s/events?pro={number}", token: any, number: pro, after: 1s, after_silent: 1s, per_second: 100}
  - {source: parcels, url: "%s", token: %s, after: 1s, after_silent: 1s, per_second: 100}
tenders:
  - {source: tms, after: 1s, per_second: 100}
`, answers.URL, s.parcels.API().URL, carriertest.Token),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(h.Close)
	s.House = h
	h.TMS.Now = func() time.Time { return time.Now().Add(-2 * time.Hour) } // what happens in a script began an hour ago
	return s
}

// plays carries shipments, and returns what became of them.
func (s *silence) plays(ctx context.Context, show *script.Show) *script.Ledger {
	s.Helper()
	if err := show.Play(ctx); err != nil {
		s.Fatal(err)
	}
	l, err := show.Ledger(ctx)
	if err != nil {
		s.Fatal(err)
	}
	for _, r := range l.Rows {
		s.Logf("%s (%s): %s over %s, expected %s, %s: %s", r.Shipment, r.Situation, r.Invoice, r.Net, r.Expected, r.Stage, r.Verdict)
	}
	if len(l.Mismatches) > 0 {
		s.Errorf("%s", strings.Join(l.Mismatches, "; "))
	}
	return l
}

// nothingWasSent holds that all that came was asked for, or brought in by a person.
func (s *silence) nothingWasSent() {
	s.Helper()
	ds, err := s.Store.Deliveries(s.Context(), "", "", 10_000)
	if err != nil || len(ds) == 0 {
		s.Fatal(len(ds), err)
	}
	for _, d := range ds {
		if d.VerifiedBy != store.Pulled && d.VerifiedBy != "ann" || d.State == store.Dead {
			s.Errorf("delivery %s of %s was verified by %q and is %s: %s", d.ID, d.Source, d.VerifiedBy, d.State, d.Reason)
		}
	}
}

// TestWithEveryWebhookOffEveryShipmentGetsItsOneRightInvoiceAndCloses runs worker, bridge and Temporal as processes of
// their own, and partners who send nothing: what they have to say is asked for. What cannot be asked for is brought in by a
// person, with the commands that the exceptions name.
func TestWithEveryWebhookOffEveryShipmentGetsItsOneRightInvoiceAndCloses(t *testing.T) {
	s := openSilence(t)
	ctx, cancel := context.WithTimeout(t.Context(), 8*time.Minute)
	defer cancel()
	t.Run("carriers that answer with their events", func(t *testing.T) {
		s.T = t
		show := script.New(s.House, script.Options{Seed: 11, Shipments: 9, Tell: s.tellArchive, Pace: time.Second, Situations: []script.Situation{
			script.CleanSpread, script.CleanBurst, script.Shuffled, script.LatePOD, script.DisputeApproved, script.DisputeRejected, script.Backorder, script.Cancelled,
		}})
		l := s.plays(ctx, show)
		if l.Doubled > 0 || l.InvoicesPosted != 8 {
			t.Errorf("%d doubled, %d invoices", l.Doubled, l.InvoicesPosted)
		}
		if l.Lost > len(show.Plans) { // of freight that moves the TMS is not asked any more whether it was accepted
			t.Errorf("%d lost", l.Lost)
		}
		s.nothingWasSent()
	})
	t.Run("a parcel provider that knows of scans alone", func(t *testing.T) {
		s.T = t
		s.TMS.Tracking = s.numbers
		var show *script.Show
		var people sync.WaitGroup
		tell := func(d script.Delivery, data any) error {
			if d.Source == "tms" {
				people.Go(func() { s.cures(ctx, show, d.Shipment) })
			}
			return s.tellParcels(d, data)
		}
		show = script.New(s.House, script.Options{Seed: 12, Shipments: 4, Tell: tell, Pace: time.Second, Patience: 90 * time.Second, Situations: []script.Situation{script.CleanSpread}})
		err := show.Play(ctx)
		people.Wait()
		if err != nil {
			for _, p := range show.Plans {
				st, _ := show.State(ctx, p.ID)
				t.Logf("%s: %s, %+v", p.ID, st.Stage, st.Exceptions)
			}
			t.Fatal(err)
		}
		wrong, err := show.Wrong(ctx)
		if stages := show.Stages(ctx); err != nil || len(wrong) > 0 || stages[freight.StageClosed] != len(show.Plans) {
			t.Errorf("%v, %v; stages %v", wrong, err, stages)
		}
		s.nothingWasSent()
	})
}

// tellArchive lets the TMS note what it has to say, and the carrier keep it.
func (s *silence) tellArchive(d script.Delivery, data any) error {
	if d.Source == "tms" {
		s.TMS.Accept(d.Shipment)
		return nil
	}
	s.archive.tell(data, d.Body)
	return nil
}

// numbers are the parcels' numbers that the TMS knows of: of every other shipment they are in Odoo.
func (s *silence) numbers(n tms.NewRequest) []string {
	if inOdoo(n.Shipment) {
		return nil
	}
	return []string{number(n.Shipment)}
}

func inOdoo(id freight.ShipmentID) bool { _, picking, _ := id.Parts(); return picking%2 == 0 }

func number(id freight.ShipmentID) string { return "1Z-" + string(id) }

// second is the number of another parcel, which those shipments have whose numbers are in Odoo.
func second(id freight.ShipmentID) string { return number(id) + "-2" }

// scans are what happens to freight in EasyPost's words; of all else it knows nothing.
var scans = map[freight.Milestone]string{freight.DepartedFacility: "in_transit/departed_facility", freight.OutForDelivery: "out_for_delivery/out_for_delivery", freight.Delivered: "delivered/arrived_at_destination"}

// tellParcels lets the parcel provider know of scans. The proof and the carrier's invoice reach nobody.
func (s *silence) tellParcels(d script.Delivery, data any) error {
	m, ok := data.(connectors.Milestone)
	switch {
	case d.Source == "tms":
		s.TMS.Accept(d.Shipment)
		if _, picking, _ := d.Shipment.Parts(); inOdoo(d.Shipment) {
			_, err := s.Odoo.Call(s.Context(), "stock.picking", "write", []any{[]int64{picking}, map[string]any{"carrier_tracking_ref": second(d.Shipment) + ", " + number(d.Shipment)}}, nil)
			return err
		}
	case ok && scans[m.Milestone] != "":
		scan, carrier := carriertest.Scan{Code: scans[m.Milestone], At: m.OccurredAt}, strings.ToLower(string(m.Carrier))
		if inOdoo(d.Shipment) {
			s.parcels.Tell(carrier, second(d.Shipment), scan)
		}
		s.parcels.Tell(carrier, number(d.Shipment), scan)
	}
	return nil
}

// cures is what a person does about a shipment of which no proof and no charges come: what its exceptions say.
func (s *silence) cures(ctx context.Context, show *script.Show, id freight.ShipmentID) {
	pod := filepath.Join(s.Dir, string(id)+".pdf")
	if err := os.WriteFile(pod, []byte("%PDF-1.4 "+pod), 0o600); err != nil {
		s.Error(err)
		return
	}
	for _, cure := range []struct {
		kind freight.ExceptionKind
		do   func(exception int) (string, error)
	}{
		{freight.PODMissing, func(int) (string, error) {
			return s.Admin(ctx, "proof", string(id), pod, "--signer", "R. Receiver", "--by", "ann", "--reason", "the carrier sent it by mail")
		}},
		{freight.ChargesMissing, func(n int) (string, error) {
			return s.CLI(ctx, "exception", "resolve", string(id), fmt.Sprint(n), "--action", "waive", "--reason", "the carrier bills by the month", "--by", "ann")
		}},
	} {
		err := s.Await(ctx, string(cure.kind), 3*time.Minute, func() (bool, error) {
			st, _ := show.State(ctx, id) // a worker that does not answer is asked again
			for _, e := range st.Exceptions {
				if e.Kind == cure.kind && e.Open() {
					out, err := cure.do(e.ID)
					s.Logf("%s %s: %s", id, cure.kind, strings.TrimSpace(out))
					return err == nil, err
				}
			}
			return false, ctx.Err()
		})
		if err != nil {
			s.Errorf("%s: %v", id, err)
			return
		}
	}
}
