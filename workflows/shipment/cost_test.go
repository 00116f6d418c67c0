package shipment_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	historypb "go.temporal.io/api/history/v1"
	"google.golang.org/protobuf/proto"

	"waybill/internal/historytest"
	"waybill/workflows/freight"
)

// eight is what a shipment that goes well is told of: what it costs is measured with them.
func eight(now time.Time) []freight.Scan {
	seven := carried(now, "")
	return slices.Insert(seven, 3, milestone(freight.ArrivedAtFacility, now.Add(3*time.Minute)))
}

// price is what a history costs, by what it is made of. A billable action is the start, each signal, each activity and
// each retry of it, each timer, each change of search attributes; a child workflow is two.
type price struct {
	actions, events, bytes int
	by                     map[string]int
}

func priceOf(h *historypb.History) (p price) {
	p.by = map[string]int{}
	for _, e := range h.GetEvents() {
		p.events++
		p.bytes += proto.Size(e)
		n, what := 0, ""
		switch e.GetEventType() {
		case enumspb.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED:
			n, what = 1, "activity "+e.GetActivityTaskScheduledEventAttributes().GetActivityType().GetName()
		case enumspb.EVENT_TYPE_ACTIVITY_TASK_STARTED:
			n, what = int(e.GetActivityTaskStartedEventAttributes().GetAttempt())-1, "retry"
		case enumspb.EVENT_TYPE_WORKFLOW_EXECUTION_STARTED, enumspb.EVENT_TYPE_WORKFLOW_EXECUTION_SIGNALED, enumspb.EVENT_TYPE_TIMER_STARTED,
			enumspb.EVENT_TYPE_UPSERT_WORKFLOW_SEARCH_ATTRIBUTES, enumspb.EVENT_TYPE_SIGNAL_EXTERNAL_WORKFLOW_EXECUTION_INITIATED:
			n, what = 1, e.GetEventType().String()
		case enumspb.EVENT_TYPE_START_CHILD_WORKFLOW_EXECUTION_INITIATED:
			n, what = 2, e.GetEventType().String()
		}
		p.actions += n
		if n > 0 {
			p.by[what] += n
		}
	}
	return p
}

func (p price) String() string {
	var lines []string
	for what, n := range p.by {
		lines = append(lines, fmt.Sprintf("%3d %s", n, what))
	}
	slices.Sort(lines)
	slices.Reverse(lines)
	text := fmt.Sprintf("%d billable actions, %d events, %d bytes", p.actions, p.events, p.bytes)
	for _, l := range lines {
		text += "\n  " + l
	}
	return text
}

// TestCleanShipmentStaysCheap prints what a shipment that goes well costs in Temporal, and holds it to its limits.
func TestCleanShipmentStaysCheap(t *testing.T) {
	for name, tt := range map[string]struct {
		groups []int
		limit  int
		terms  *freight.Terms
	}{
		"eight signals":                  {[]int{1, 1, 1, 1, 1, 1, 1, 1}, 34, terms()},
		"three signals":                  {[]int{3, 2, 3}, 24, terms()},
		"three signals, promise watched": {[]int{3, 2, 3}, 24, laned()},
		"three signals, promise unknown": {[]int{3, 2, 3}, 25, watched()}, // that it is said has a version
	} {
		t.Run(name, func(t *testing.T) {
			l := newServer(t, nil)
			l.start(tt.terms)
			l.quiet()
			for events := eight(time.Now()); len(events) > 0; tt.groups = tt.groups[1:] {
				l.send(events[:tt.groups[0]]...)
				l.quiet()
				events = events[tt.groups[0]:]
			}
			l.stage(freight.StageSettlement)
			l.pay(freight.InvoicePaid, "0.00")
			l.ended()
			p := priceOf(historytest.History(t, l.c, id, ""))
			t.Log(p)
			if p.actions > tt.limit || p.events > 220 || p.bytes > 40_000 {
				t.Errorf("want at most %d actions, 220 events, 40,000 bytes", tt.limit)
			}
		})
	}
}

// TestSixtyFourKilobytesOfChargesStayFarUnderTemporalsLimits has a carrier bill as many and as long lines as one may. A
// POD of any size is in a history by its hash alone.
func TestSixtyFourKilobytesOfChargesStayFarUnderTemporalsLimits(t *testing.T) {
	const (
		warned  = 512 << 10  // of one event's payload, by the server; it refuses 2 MiB
		refused = 50_000_000 // of a history
	)
	l := newServer(t, nil)
	l.start(terms())
	l.quiet()
	var lines []freight.Charge
	for i := range 300 {
		c := charged(freight.Linehaul, "80.00")
		c.RawCode = fmt.Sprintf("%03d", i) + strings.Repeat("x", 160)
		lines = append(lines, c)
	}
	bill := carrierBill(time.Now(), "C1", lines...)
	if text, err := json.Marshal(bill); err != nil || len(text) < 64<<10 {
		t.Fatalf("only %d bytes of charges (%v)", len(text), err)
	}
	proof := pod(time.Now())
	proof.Documents[0].Size = 3 << 20
	l.send(append(delivered(time.Now())[:5], proof, bill)...)
	l.finish()
	h, largest := historytest.History(t, l.c, id, ""), 0
	for _, e := range h.GetEvents() {
		largest = max(largest, proto.Size(e))
	}
	t.Logf("largest event %d bytes, history %d", largest, proto.Size(h))
	if largest > warned/2 || proto.Size(h) > refused/20 {
		t.Errorf("largest event %d bytes, history %d: want at most %d and %d", largest, proto.Size(h), warned/2, refused/20)
	}
}
