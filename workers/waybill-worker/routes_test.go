package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.temporal.io/sdk/temporal"
	"go.uber.org/zap"

	"waybill/activities/notify/notifytest"
	"waybill/activities/tms"
	"waybill/activities/tms/tmstest"
	"waybill/activities/wms"
	"waybill/activities/wms/wmstest"
	"waybill/internal/console"
	"waybill/internal/partner/partnertest"
	"waybill/internal/routing"
	"waybill/workers/guard"
	"waybill/workflows/freight"
	"waybill/workflows/protocol"
)

// route writes rules that send GLOBEX to a TMS of its own, and returns that.
func (w *world) route() *tmstest.TMS {
	w.t.Helper()
	own := tmstest.New()
	rules := w.write("routing.yaml", "version: v1\nowner: test\nroutes:\n  - {name: globex, customers: [GLOBEX], to: [US], services: [FASTFRT], tms: own}\n")
	w.change("policies:", fmt.Sprintf("targets: [{name: own, kind: tms, url: %q, token: \"env:WB_TEST_TOKEN\"}]\nrouting: {file: %q}\npolicies:", w.serve(own), rules))
	return own
}

func asked(of *tmstest.TMS, id freight.ShipmentID) bool {
	for _, q := range of.Requests() {
		if q.Shipment == id {
			return true
		}
	}
	return false
}

// TestShipmentGoesToTheTMSItsRouteNames, also when it is cancelled, and says why.
func TestShipmentGoesToTheTMSItsRouteNames(t *testing.T) {
	w := newWorld(t)
	own := w.route()
	w.says(w.start(), "scans_started")
	usual := w.release("ACME")
	picking := fmt.Sprint(w.sell("GLOBEX"))
	id := freight.ShipmentID(strings.TrimSpace(w.want(console.Done, "", "", "release", picking, "--tenant", "acme")))
	w.until("its own TMS is asked", func() bool { return asked(own, id) }, func() string { return fmt.Sprint(w.tms.Requests()) })
	if asked(w.tms, id) || asked(own, usual) {
		t.Errorf("%s and %s were mixed up: %v, %v", id, usual, w.tms.Requests(), own.Requests())
	}
	s := w.state(w.temporal, id, "is booked", func(s freight.Shipment) bool { return s.Booking.Ref != "" })
	if s.Release.Route.Rule != "globex" || s.Release.Route.Version != "v1" {
		t.Errorf("its route is %+v", s.Release.Route)
	}
	w.want(console.Done, "", "", "cancel", string(id), "--by", "ann", "--reason", "withdrawn")
	w.until("its own TMS is told to stop", func() bool { return own.Requests()[0].Status == "cancelled" }, func() string { return fmt.Sprint(own.Requests()) })
}

// warehouse writes rules that have the goods of GLOBEX packed by a warehouse, and returns its WMS.
func (w *world) warehouse() *wmstest.WMS {
	w.t.Helper()
	reno := wmstest.New()
	rules := w.write("routing.yaml", "version: v1\nowner: test\nroutes:\n  - {name: reno, customers: [GLOBEX], wms: reno}\n")
	w.change("policies:", fmt.Sprintf("targets: [{name: reno, kind: wms, url: %q, token: \"env:WB_TEST_TOKEN\"}]\nrouting: {file: %q}\npolicies:", w.serve(reno), rules))
	return reno
}

// TestWarehouseThatTheRouteNamesPacksForTheCarrierAndIsStopped, and is asked for no other's goods.
func TestWarehouseThatTheRouteNamesPacksForTheCarrierAndIsStopped(t *testing.T) {
	w := newWorld(t)
	reno := w.warehouse()
	w.lacks()
	w.says(w.start(), "scans_started")
	usual, id := w.release("ACME"), w.release("GLOBEX")
	for _, each := range []freight.ShipmentID{usual, id} {
		w.scan(w.temporal, each, freight.Scan{Milestone: freight.TenderAccepted})
	}
	w.state(w.temporal, usual, "is on its way", func(s freight.Shipment) bool { return s.Stage == freight.StageTransit })
	s := w.state(w.temporal, id, "is with the warehouse", func(s freight.Shipment) bool { return s.ShipOrder.Ref != "" })
	all := reno.ShipOrders()
	if len(all) != 1 || all[0].Shipment != id || all[0].PRO != s.Booking.PRO || all[0].Carrier != "FASTFRT" || all[0].Delivery != s.Release.PickingName || all[0].Pieces != s.Release.Pieces {
		t.Fatalf("the warehouse has %+v, the shipment is %+v", all, s)
	}
	w.want(console.Done, "", "", "cancel", string(id), "--by", "ann", "--reason", "withdrawn")
	w.until("warehouse and TMS are told to stop", func() bool {
		return reno.ShipOrders()[0].Status == wms.StatusCancelled && slices.ContainsFunc(w.tms.Requests(), func(q tms.Request) bool { return q.Shipment == id && q.Status == tms.StatusCancelled })
	}, func() string { return fmt.Sprint(reno.ShipOrders(), w.tms.Requests()) })
}

// TestWarehouseThatIsDownIsProbedAndNamed, and has the goods asked of it when it is back.
func TestWarehouseThatIsDownIsProbedAndNamed(t *testing.T) {
	w := newWorld(t)
	reno := w.warehouse()
	r := w.start()
	w.says(r, "scans_started")
	id := w.release("GLOBEX")
	reno.Fail(func(*http.Request) partnertest.Trouble {
		return partnertest.Trouble{Status: http.StatusInternalServerError}
	})
	w.lacks("target wms reno: the wms reno says: It failed: is it up")
	w.scan(w.temporal, id, freight.Scan{Milestone: freight.TenderAccepted})
	w.says(r, `"system":"wms reno"`)
	reno.Fail(nil)
	w.says(r, "system_back")
	w.state(w.temporal, id, "is with the warehouse", func(s freight.Shipment) bool { return s.ShipOrder.Ref != "" })
}

// TestTenMinutesWithoutATargetAddFewAttempts to a shipment that waits for it, and none of them calls it.
func TestTenMinutesWithoutATargetAddFewAttempts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const outage, policy = 10 * time.Minute, time.Second // after a call that failed
		began, calls := time.Now(), 0
		state := func() error {
			if time.Since(began) < outage {
				return protocol.Transient.Of(errors.New("connection refused"))
			}
			return nil
		}
		own := guard.New(t.Context(), guard.Options{System: "tms alps", Probe: func(context.Context) error { return state() }, Log: zap.NewNop()})
		h := &house{targets: targets{guards: map[string]*guard.Guard{"tms alps": own}}}
		ask := byTarget(h, routing.TMS, map[string]int{"alps": 1}, func(to string) string { return to }, func(int, context.Context, string) (int, error) { calls++; return 1, state() })
		attempts := 0
		for done := 0; done == 0; attempts++ {
			var err error
			if done, err = ask(t.Context(), "alps"); err == nil {
				continue
			}
			var told *temporal.ApplicationError
			if done = 0; !errors.As(err, &told) {
				t.Fatal(err)
			}
			<-time.After(cmp.Or(told.NextRetryDelay(), policy))
		}
		if attempts > 10 || calls != 2 {
			t.Errorf("%d attempts, %d calls: want 10 at most, and the one that found out and the one that succeeded", attempts, calls)
		}
		if late := time.Since(began) - outage; late > 6*time.Minute {
			t.Errorf("it goes on %s after the target is back", late)
		}
	})
}

func TestRuleThatNamesNoTargetKeepsTheWorkerFromStarting(t *testing.T) {
	w := newWorld(t)
	w.route()
	w.change("name: own, kind: tms", "name: other, kind: tms")
	w.lacks(`line 4: rule "globex": tms "own" is not in targets`)
}

// TestSubscriberHearsWhatHappensToAShipment from a worker as it is configured anywhere.
func TestSubscriberHearsWhatHappensToAShipment(t *testing.T) {
	w := newWorld(t)
	sub := notifytest.Start(t)
	t.Setenv("WB_TEST_SUBSCRIBER", notifytest.Secret)
	w.change("policies:", fmt.Sprintf("subscribers: [{name: portal, url: %q, secrets: [\"env:WB_TEST_SUBSCRIBER\"], allow_private: true}]\npolicies:", sub.URL))
	w.refuse.Store("the contract is not signed")
	w.says(w.start(), "scans_started")
	id := w.release("ACME")
	w.tms.Decline(id)
	w.scan(w.temporal, id, freight.Scan{Milestone: freight.TenderDeclined})
	w.until("it hears of the exception", func() bool { return strings.Contains(fmt.Sprintf("%s", sub.Taken()), "exception_opened") }, func() string { return fmt.Sprintf("%s", sub.Taken()) })
}

// TestSubscriberOfALaneHearsOfNoOther from a worker as it is configured anywhere: the shop ships to the US alone.
func TestSubscriberOfALaneHearsOfNoOther(t *testing.T) {
	w := newWorld(t)
	west, alps := notifytest.Start(t), notifytest.Start(t)
	t.Setenv("WB_TEST_SUBSCRIBER", notifytest.Secret)
	const hook = `url: %q, secrets: ["env:WB_TEST_SUBSCRIBER"], allow_private: true`
	w.change("policies:", fmt.Sprintf("subscribers: [{name: west, to: [US], postcodes: [\"75\"], services: [FASTFRT], "+hook+"}, {name: alps, to: [CH], "+hook+"}]\npolicies:", west.URL, alps.URL))
	w.says(w.start(), "scans_started")
	id := w.release("ACME")
	w.tms.Decline(id)
	w.scan(w.temporal, id, freight.Scan{Milestone: freight.TenderDeclined})
	w.until("who asked for its lane hears of it", func() bool { return strings.Contains(fmt.Sprintf("%s", west.Taken()), "exception_opened") }, func() string { return fmt.Sprintf("%s", west.Taken()) })
	if st, err := w.inbox().SubscriberState(t.Context(), "alps"); err != nil || len(st.Counts) != 0 { // what is for it is filed with what is for the other
		t.Errorf("who asked for another hears of %+v, %v", st.Counts, err)
	}
}
