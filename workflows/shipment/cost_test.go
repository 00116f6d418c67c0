package shipment_test

import (
	"fmt"
	"slices"
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
	}{
		"eight signals": {[]int{1, 1, 1, 1, 1, 1, 1, 1}, 34},
		"three signals": {[]int{3, 2, 3}, 24},
	} {
		t.Run(name, func(t *testing.T) {
			l := newServer(t, nil)
			l.start(terms())
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
