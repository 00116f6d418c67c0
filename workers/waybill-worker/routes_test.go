package main

import (
	"fmt"
	"strings"
	"testing"

	"waybill/activities/notify/notifytest"
	"waybill/activities/tms/tmstest"
	"waybill/internal/console"
	"waybill/workflows/freight"
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
