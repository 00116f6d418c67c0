package connectors_test

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"waybill/internal/store"
	"waybill/starters/bridge/connectors"
	"waybill/workflows/freight"
)

// six is a shipment of six events in each partner's codes.
var six = map[string][]string{
	"easypost":  {"pre_transit/label_created", "FedEx/PU", "in_transit/departed_facility", "in_transit/arrived_at_facility", "out_for_delivery", "delivered"},
	"shippo":    {"PRE_TRANSIT", "package_accepted", "package_departed", "package_arrived", "out_for_delivery", "DELIVERED"},
	"aftership": {"InfoReceived_001", "InTransit_002", "InTransit_007", "InTransit_003", "OutForDelivery_001", "Delivered_003"},
	"ups":       {"MP", "I/OR", "I/DP", "I/AR", "I/OT", "D/FS"},
	"fedex":     {"OC", "PU", "DP", "AR", "OD", "DL"},
	"dhl":       {"pre-transit", "transit", "transit", "failure", "unknown", "delivered"},
	"dcsa":      {"SHIPMENT/CONF", "EQUIPMENT/GTIN", "EQUIPMENT/LOAD", "TRANSPORT/DEPA", "TRANSPORT/ARRI", "EQUIPMENT/AVPU"},
	"karrio":    {"pending", "picked_up", "in_transit", "on_hold", "out_for_delivery", "delivered"},
}

// inbox takes deliveries as the store does: a scan whose key it has is dropped, others are numbered and folded.
type inbox struct {
	keys    map[string]bool
	journey freight.Journey
}

func (b *inbox) take(in []store.Incoming) (news int) {
	for _, i := range in {
		if b.keys[i.Scan.Key] {
			continue
		}
		if b.keys == nil {
			b.keys = map[string]bool{}
		}
		b.keys[i.Scan.Key] = true
		news++
		b.journey.Apply(i.Scan)
	}
	return news
}

func (b *inbox) state(t testing.TB) string {
	t.Helper()
	text, err := json.Marshal(b.journey)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// parts gives the scans of each event in a delivery of its own, and of all of them in one, as histories come.
func parts(t testing.TB, p connectors.Partner, es []told) (each [][]store.Incoming, whole []store.Incoming) {
	t.Helper()
	for _, e := range es {
		in, err := p.Decode(delivery(p.Name, writers[p.Name](e)), noon)
		if err != nil {
			t.Fatalf("%s: %v", p.Name, err)
		}
		each = append(each, in)
	}
	whole, err := p.Decode(delivery(p.Name, writers[p.Name](es...)), noon)
	if err != nil {
		t.Fatalf("%s: %v", p.Name, err)
	}
	return each, whole
}

// permutations calls f with each order of n things.
func permutations(n int, f func([]int)) {
	order := make([]int, n)
	for i := range order {
		order[i] = i
	}
	var rec func(int)
	rec = func(k int) {
		if k == n {
			f(order)
			return
		}
		for i := k; i < n; i++ {
			order[k], order[i] = order[i], order[k]
			rec(k + 1)
			order[k], order[i] = order[i], order[k]
		}
	}
	rec(0)
}

func TestAll720OrdersOfAShipmentWithRepeatsMakeOneJourney(t *testing.T) {
	for name, p := range partners(t) {
		var es []told
		for i, code := range six[name] {
			es = append(es, at(code, 60*i))
		}
		each, whole := parts(t, p, es)
		var first inbox
		first.take(whole)
		want, orders := first.state(t), 0
		permutations(len(es), func(order []int) {
			orders++
			var b inbox
			for k, i := range order {
				b.take(each[i])
				b.take(each[order[k/2]]) // one of those before, again
			}
			if got := b.state(t); got != want {
				t.Fatalf("%s: order %v makes\n%s\nand the history in one delivery\n%s", name, order, got, want)
			}
			if n := b.take(whole); n != 0 {
				t.Fatalf("%s: the whole history after all its parts brings %d new scans", name, n)
			}
		})
		if orders != 720 {
			t.Fatalf("%d orders", orders)
		}
	}
}

// TestTenThousandLongShipmentsInAnyOrderMakeOneJourney tries 100 orders of each of 100 shipments, of events with any codes, times
// that may be the same, and repeats.
func TestTenThousandLongShipmentsInAnyOrderMakeOneJourney(t *testing.T) {
	ps := partners(t)
	names := slices.Sorted(maps.Keys(ps))
	runs := 0
	rapid.Check(t, func(rt *rapid.T) {
		p := ps[rapid.SampledFrom(names).Draw(rt, "partner")]
		var codes []string
		for code, r := range p.Codes {
			if r.Milestone != freight.ETAUpdated && code != "return" && (len(code) < 7 || code[:7] != "return/") {
				codes = append(codes, code)
			}
		}
		slices.Sort(codes)
		var es []told
		for range rapid.IntRange(7, 25).Draw(rt, "events") {
			es = append(es, at(rapid.SampledFrom(codes).Draw(rt, "code"), rapid.IntRange(0, 90).Draw(rt, "minute")))
		}
		each, whole := parts(t, p, es)
		var first inbox
		first.take(whole)
		want := first.state(t)
		rnd := rapid.Make[uint64]()
		for range 100 {
			runs++
			order := shuffled(len(es), rnd.Draw(rt, "seed"))
			var b inbox
			for _, i := range order {
				b.take(each[i])
			}
			b.take(whole)
			if got := b.state(t); got != want {
				rt.Fatalf("%s: %v in order %v makes\n%s\nwant\n%s", p.Name, es, order, got, want)
			}
		}
	})
	if runs < 10_000 {
		t.Errorf("only %d orders were tried", runs)
	}
}

// shuffled is an order of n things, some of them twice.
func shuffled(n int, seed uint64) []int {
	var order []int
	for i := range n {
		order = append(order, i, (i*7+int(seed%5))%n)
	}
	for i := len(order) - 1; i > 0; i-- {
		seed = seed*6364136223846793005 + 1442695040888963407
		j := int(seed>>33) % (i + 1)
		order[i], order[j] = order[j], order[i]
	}
	return order
}

func TestSameStatementHasOneKeyInEveryDeliveryAndOtherOnesHaveOthers(t *testing.T) {
	for name := range writers {
		seen := map[string]string{}
		for i, code := range six[name] {
			alone := explain(t, name, writers[name](at(code, 60*i)))[0].Scan.Key
			again := explain(t, name, writers[name](at(code, 60*i)))[0].Scan.Key
			later := explain(t, name, writers[name](at(code, 60*i+1)))[0].Scan.Key
			if alone != again || alone == later || seen[alone] != "" {
				t.Errorf("%s: keys of %s: %s, again %s, a minute later %s, of %q too", name, code, alone, again, later, seen[alone])
			}
			seen[alone] = code
		}
	}
}

func TestLongHistoryIsReadInOneGo(t *testing.T) {
	for name, p := range partners(t) {
		var es []told
		for i := range 5000 {
			es = append(es, told{six[name][1], noon.Add(-time.Duration(i+1) * time.Minute)})
		}
		body := writers[name](es...)
		in, err := p.Decode(delivery(name, body), noon)
		if err != nil || len(in) != 5000 {
			t.Errorf("%s: %d scans, %v", name, len(in), err)
		}
	}
}

func TestDeliveryThatTellsTooMuchIsRefused(t *testing.T) {
	var es []told
	for i := range 10_001 {
		es = append(es, told{"IT", noon.Add(-time.Duration(i) * time.Second)})
	}
	if _, err := partner(t, "fedex").Decode(delivery("fedex", writeFedEx(es...)), noon); err == nil {
		t.Error("10,001 events were taken")
	}
}

func TestSameCodeInOneMinuteAtTwoPlacesIsTwoStatements(t *testing.T) {
	body := strings.Replace(string(writeAfterShip(at("InTransit_007", 0), at("InTransit_007", 0))), `"city":"Gent"`, `"city":"Brugge"`, 1)
	in, err := partner(t, "aftership").Decode(delivery("aftership", []byte(body)), noon)
	if err != nil || len(in) != 2 || in[0].Scan.Key == in[1].Scan.Key {
		t.Errorf("%d scans, %v", len(in), err)
	}
}

func TestStatementThatStandsTwiceInADeliveryIsOneScan(t *testing.T) {
	in, err := partner(t, "shippo").Decode(delivery("shippo", writeShippo(at("TRANSIT", 0), at("TRANSIT", 0))), noon)
	if err != nil || len(in) != 1 {
		t.Errorf("%d scans, %v", len(in), err)
	}
}
