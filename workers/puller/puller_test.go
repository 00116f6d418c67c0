package puller_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"testing"
	"time"

	"go.temporal.io/sdk/client"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"
	"golang.org/x/time/rate"

	"waybill/activities/carrier"
	"waybill/activities/carrier/carriertest"
	"waybill/internal/store"
	"waybill/internal/store/storetest"
	"waybill/starters/bridge/connectors/declared"
	"waybill/workers/guard"
	"waybill/workers/puller"
	"waybill/workers/relay"
	"waybill/workflows/freight"
	"waybill/workflows/protocol"
)

// temporal stands in for Temporal: it keeps what each story heard.
type temporal struct {
	mu    sync.Mutex
	heard map[string][]freight.Milestone
}

func (f *temporal) SignalWithStartWorkflow(context.Context, string, string, any, client.StartWorkflowOptions, any, ...any) (client.WorkflowRun, error) {
	return nil, errors.New("no shipment is reopened here")
}

func (f *temporal) SignalWorkflow(_ context.Context, id, _, _ string, arg any) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, s := range arg.(protocol.ScanBatch).Scans {
		f.heard[id] = append(f.heard[id], s.Milestone)
	}
	return nil
}

// world is a provider, a store, a relay, and a clock that only the test moves.
type world struct {
	*testing.T
	clock    *storetest.Clock
	store    *store.Store
	provider *carriertest.Provider
	form     string
	sources  declared.Sources
	guard    *guard.Guard
	temporal *temporal
	relay    *relay.Relay
	log      *zap.Logger
	logs     *observer.ObservedLogs
}

func newWorld(t *testing.T, db storetest.DB, form string) *world {
	core, logs := observer.New(zap.InfoLevel)
	w := &world{T: t, clock: &storetest.Clock{}, provider: carriertest.New(form), form: form, temporal: &temporal{heard: map[string][]freight.Milestone{}}, log: zap.New(core), logs: logs}
	t.Cleanup(w.provider.Close)
	w.store = db.Open(t, store.WithClock(w.clock.Now))
	catalog, err := declared.NewCatalog(false)
	if err != nil {
		t.Fatal(err)
	}
	w.sources = declared.Sources{Catalog: catalog, Named: map[string]string{"parcels": form}}
	w.relay = &relay.Relay{Store: w.store, Temporal: w.temporal, Connectors: w.sources, Holder: "r", Log: w.log, Now: w.clock.Now}
	w.guard = guard.New(t.Context(), guard.Options{System: "tracking", Probe: w.client().Check, Every: 20 * time.Millisecond, Log: zap.NewNop()})
	return w
}

func (w *world) client() *carrier.Client {
	return carrier.New(carrier.Options{Name: "tracking of parcels", API: w.provider.API(), Token: func() (string, error) { return carriertest.Token, nil }})
}

// clientAt asks at an address.
func clientAt(url string) *carrier.Client {
	return carrier.New(carrier.Options{Name: "tracking of own", API: carrier.API{URL: url, Header: "Authorization: Bearer {token}", Number: freight.RefTracking}, Token: func() (string, error) { return "t", nil }})
}

func (w *world) target() puller.Target {
	return puller.Target{Source: "parcels", Client: w.client(), Guard: w.guard, Number: w.provider.API().Number, After: 12 * time.Hour, Silent: time.Hour, Until: 14 * 24 * time.Hour, Pace: rate.NewLimiter(rate.Inf, 1)}
}

func (w *world) puller() *puller.Puller {
	return &puller.Puller{Store: w.store, Connectors: w.sources, Log: w.log, Now: w.clock.Now}
}

// once pulls what is due, and reports how many numbers were.
func (w *world) once() int {
	w.Helper()
	n, err := w.puller().Once(w.Context(), w.target())
	if err != nil {
		w.Fatal(err)
	}
	return n
}

// sails records a shipment in transit under a number of the carrier.
func (w *world) sails(id freight.ShipmentID, number string, promised time.Time) {
	w.Helper()
	whose := freight.CarrierCode("UPS")
	if w.form == "dhl" {
		whose = "DHL"
	}
	e := store.Entry{View: freight.View{Shipment: id, Revision: 1, Stage: freight.StageTransit, Promised: promised}, References: []freight.Reference{{Kind: w.provider.API().Number, Carrier: whose, Value: number}}}
	if _, err := w.store.Record(w.Context(), e); err != nil {
		w.Fatal(err)
	}
}

func (w *world) heard(id freight.ShipmentID, want ...freight.Milestone) {
	w.Helper()
	for {
		busy, err := w.relay.Once(w.Context())
		if err != nil {
			w.Fatal(err)
		}
		if !busy {
			break
		}
	}
	if got := w.temporal.heard[protocol.ShipmentWorkflowID(id)]; !slices.Equal(got, want) {
		w.Errorf("%s heard %v, want %v", id, got, want)
	}
}

// tells adds to the history of a number at the provider, in its own codes, as of now.
func (w *world) tells(number string, codes ...string) {
	for i, code := range codes {
		w.provider.Tell("ups", number, carriertest.Scan{Code: code, At: w.clock.Now().Add(-time.Hour + time.Duration(i)*time.Minute)})
	}
}

// way is a parcel's way in a provider's words, and what they mean.
type way struct {
	codes []string
	means []freight.Milestone
}

var (
	home = []freight.Milestone{freight.DepartedFacility, freight.OutForDelivery, freight.Delivered}
	ways = map[string]way{
		"easypost":  {[]string{"in_transit/departed_facility", "out_for_delivery/out_for_delivery", "delivered/arrived_at_destination"}, home},
		"shippo":    {[]string{"TRANSIT/package_departed", "TRANSIT/out_for_delivery", "DELIVERED/delivered"}, home},
		"aftership": {[]string{"InTransit_001", "OutForDelivery_001", "Delivered_001"}, []freight.Milestone{freight.InTransit, freight.OutForDelivery, freight.Delivered}},
		"dhl":       {[]string{"pre-transit", "transit", "delivered"}, []freight.Milestone{freight.LabelCreated, freight.InTransit, freight.Delivered}},
		"karrio":    {[]string{"in_transit", "out_for_delivery", "delivered"}, []freight.Milestone{freight.InTransit, freight.OutForDelivery, freight.Delivered}},
		"dcsa":      {[]string{"TRANSPORT/DEPA", "EQUIPMENT/DISC", "EQUIPMENT/DROP"}, []freight.Milestone{freight.DepartedFacility, freight.ArrivedAtFacility, freight.ArrivedAtDelivery}},
	}
)

func each(t *testing.T, f func(w *world)) {
	storetest.Each(t, func(t *testing.T, db storetest.DB) { f(newWorld(t, db, "easypost")) })
}

func TestWithEveryWebhookOffAShipmentHearsItsHistoryOnceAndInOrder(t *testing.T) {
	for form, way := range ways {
		t.Run(form, func(t *testing.T) {
			storetest.Each(t, func(t *testing.T, db storetest.DB) {
				w := newWorld(t, db, form)
				w.sails("acme-1", "P1", time.Time{})
				w.tells("P1", way.codes[0])
				if w.once() != 0 {
					t.Error("a shipment that was just tendered was asked about")
				}
				w.clock.Pass(13 * time.Hour)
				if w.once() != 1 || w.once() != 0 {
					t.Error("a silent number is asked about once")
				}
				w.heard("acme-1", way.means[0])
				for range 30 { // nothing new is told for days
					w.clock.Pass(3 * time.Hour)
					w.once()
				}
				w.heard("acme-1", way.means[0])
				if n := w.provider.Calls("P1"); n < 3 || n > 7 {
					t.Errorf("a number that tells nothing new was asked about %d times in 90 hours", n)
				}
				w.tells("P1", way.codes[1:]...)
				w.clock.Pass(25 * time.Hour)
				w.once()
				w.heard("acme-1", way.means...)
			})
		})
	}
}

func TestPullAndWebhookThatTellTheSameHaveOneEffect(t *testing.T) {
	each(t, func(w *world) {
		w.sails("acme-1", "P1", time.Time{})
		w.tells("P1", "in_transit/in_transit", "out_for_delivery/out_for_delivery")
		w.clock.Pass(13 * time.Hour)
		w.once()
		body, err := w.client().Pull(w.Context(), "UPS", "P1")
		if err != nil {
			w.Fatal(err)
		}
		var answer struct{ Trackers []json.RawMessage }
		if err := json.Unmarshal(body, &answer); err != nil {
			w.Fatal(err)
		}
		webhook := fmt.Sprintf(`{"object":"Event","id":"evt_1","description":"tracker.updated","mode":"production","result":%s}`, answer.Trackers[0])
		if _, err := w.store.Accept(w.Context(), store.Delivery{Source: "parcels", ID: "evt_1", Body: []byte(webhook), VerifiedBy: "secret 1", ReceivedAt: w.clock.Now()}); err != nil {
			w.Fatal(err)
		}
		w.heard("acme-1", freight.InTransit, freight.OutForDelivery)
		if counts, err := w.store.DeliveryCounts(w.Context()); err != nil || counts[store.Done] != 2 {
			w.Errorf("%v, %v: want both deliveries read", counts, err)
		}
	})
}

func TestTwoPullersAtOnceAskAboutEachNumberOnce(t *testing.T) {
	each(t, func(w *world) {
		for i := range 30 {
			number := fmt.Sprintf("P%02d", i)
			w.sails(freight.ShipmentID(fmt.Sprintf("acme-%d", i+1)), number, time.Time{})
			w.tells(number, "in_transit/in_transit")
		}
		w.clock.Pass(13 * time.Hour)
		var both sync.WaitGroup
		for range 2 {
			both.Go(func() {
				if _, err := w.puller().Once(w.Context(), w.target()); err != nil {
					w.Error(err)
				}
			})
		}
		both.Wait()
		for i := range 30 {
			if n := w.provider.Calls(fmt.Sprintf("P%02d", i)); n != 1 {
				w.Errorf("P%02d was asked about %d times", i, n)
			}
			w.heard(freight.ShipmentID(fmt.Sprintf("acme-%d", i+1)), freight.InTransit)
		}
	})
}

func TestAfterALostAnswerTheNumberIsAskedAboutAgainSoon(t *testing.T) {
	each(t, func(w *world) {
		w.sails("acme-1", "P1", time.Time{})
		w.tells("P1", "in_transit/in_transit")
		w.clock.Pass(13 * time.Hour)
		w.provider.Troubled(func(number string) carriertest.Trouble {
			return carriertest.Trouble{Lost: number == "P1" && w.provider.Calls("P1") == 1}
		})
		w.once()
		w.heard("acme-1")
		w.clock.Pass(time.Hour)
		w.until("the probe has shown that the provider is up", func() bool { return w.once() == 1 })
		w.heard("acme-1", freight.InTransit)
	})
}

// until waits for a condition, at most ten seconds.
func (w *world) until(what string, is func() bool) {
	w.Helper()
	ctx, cancel := context.WithTimeout(w.Context(), 10*time.Second)
	defer cancel()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !is() {
		select {
		case <-ctx.Done():
			w.Fatalf("not in ten seconds: %s", what)
		case <-tick.C:
		}
	}
}

func TestProviderThatIsDownIsOnlyProbedAndAskedAgainWhenItIsBack(t *testing.T) {
	each(t, func(w *world) {
		for i := range 20 {
			number := fmt.Sprintf("P%02d", i)
			w.sails(freight.ShipmentID(fmt.Sprintf("acme-%d", i+1)), number, time.Time{})
			w.tells(number, "in_transit/in_transit")
		}
		w.provider.Troubled(func(string) carriertest.Trouble { return carriertest.Trouble{Status: http.StatusBadGateway} })
		w.clock.Pass(13 * time.Hour)
		w.until("the guard is shut", func() bool {
			w.once()
			return !w.guard.Passes()
		})
		calls := func() (n int) {
			for i := range 20 {
				n += w.provider.Calls(fmt.Sprintf("P%02d", i))
			}
			return n
		}
		before := calls()
		w.clock.Pass(2 * time.Hour)
		if w.once() != 0 || calls() != before {
			w.Error("a provider that is down was asked about a shipment")
		}
		w.provider.Troubled(nil)
		w.until("the guard lets pass", w.guard.Passes)
		for range 20 {
			w.clock.Pass(time.Hour)
			w.once()
		}
		for i := range 20 {
			w.heard(freight.ShipmentID(fmt.Sprintf("acme-%d", i+1)), freight.InTransit)
		}
	})
}

func TestThrottledProviderIsLeftAloneForAsLongAsItAsks(t *testing.T) {
	each(t, func(w *world) {
		w.sails("acme-1", "P1", time.Time{})
		w.sails("acme-2", "P2", time.Time{})
		w.clock.Pass(13 * time.Hour)
		w.provider.Troubled(func(string) carriertest.Trouble {
			return carriertest.Trouble{Status: http.StatusTooManyRequests, RetryAfter: 10 * time.Hour}
		})
		t := w.target()
		for range 2 {
			if _, err := w.puller().Once(w.Context(), t); err != nil {
				w.Fatal(err)
			}
		}
		if n := w.provider.Calls("P1") + w.provider.Calls("P2"); n > 2 || w.guard.Passes() {
			w.Errorf("%d calls; another may follow at once: %t", n, w.guard.Passes())
		}
	})
}

func TestDeadNumberIsAskedAboutEverLessAndAtLastGivenUp(t *testing.T) {
	each(t, func(w *world) {
		w.sails("acme-1", "P1", w.clock.Now().Add(48*time.Hour)) // the provider does not know it
		var perWeek [5]int
		for week := range perWeek {
			before := w.provider.Calls("P1")
			for range 7 * 24 {
				w.clock.Pass(time.Hour)
				w.once()
			}
			perWeek[week] = w.provider.Calls("P1") - before
		}
		if perWeek[0] < 5 || perWeek[0] > 10 || perWeek[1] > 8 || perWeek[3] != 0 || perWeek[4] != 0 {
			w.Errorf("calls per week %v: want fewer each, and none 14 days after the promise", perWeek)
		}
	})
}

func TestAnswerAboutAnotherNumberIsNotTaken(t *testing.T) {
	each(t, func(w *world) {
		w.sails("acme-1", "P1", time.Time{})
		w.sails("acme-2", "P2", time.Time{})
		w.tells("P2", "delivered/arrived_at_destination")
		w.clock.Pass(13 * time.Hour)
		t := w.target()
		api := w.provider.API()
		api.URL = w.provider.URL + "/v2/trackers?tracking_code=P2&of={number}" // whatever is asked
		t.Client = carrier.New(carrier.Options{Name: "tracking of parcels", API: api, Token: func() (string, error) { return carriertest.Token, nil }})
		if _, err := w.puller().Once(w.Context(), t); err != nil {
			w.Fatal(err)
		}
		w.heard("acme-1")
		w.heard("acme-2", freight.Delivered)
		if n := w.logs.FilterMessage("pull_unreadable").Len(); n != 1 {
			w.Errorf("said %d times", n)
		}
	})
}
