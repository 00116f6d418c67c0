package script

import (
	"context"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	historypb "go.temporal.io/api/history/v1"
	"google.golang.org/protobuf/proto"

	"waybill/workflows/freight"
	"waybill/workflows/protocol"
)

// Figure is what a stage costs.
type Figure struct {
	Actions int `json:"actions"`
	Events  int `json:"events"`
	Bytes   int `json:"bytes"` // of history
}

func (f Figure) plus(actions int, e *historypb.HistoryEvent) Figure {
	return Figure{f.Actions + actions, f.Events + 1, f.Bytes + proto.Size(e)}
}

// Cost is what one shipment cost in Temporal.
type Cost struct {
	Total   Figure
	ByStage map[string]Figure
}

// Cost counts a shipment's history. A billable action is: the start, each signal, each activity and each retry of
// it, each timer, each change of search attributes; a child workflow is two.
func (s *Show) Cost(ctx context.Context, p *Plan) (c Cost, err error) {
	entered, err := s.stageTimes(ctx, p)
	if err != nil {
		return c, err
	}
	c.ByStage = map[string]Figure{}
	it := s.Temporal.GetWorkflowHistory(ctx, protocol.ShipmentWorkflowID(p.ID), "", false, enumspb.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT)
	for it.HasNext() {
		e, err := it.Next()
		if err != nil {
			return c, err
		}
		n := Actions(e)
		stage := string(stageAt(entered, e.GetEventTime().AsTime()))
		c.ByStage[stage] = c.ByStage[stage].plus(n, e)
		c.Total = c.Total.plus(n, e)
	}
	return c, nil
}

// Actions is what an event adds to the bill.
func Actions(e *historypb.HistoryEvent) int {
	switch e.GetEventType() {
	case enumspb.EVENT_TYPE_WORKFLOW_EXECUTION_STARTED, enumspb.EVENT_TYPE_WORKFLOW_EXECUTION_SIGNALED, enumspb.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED,
		enumspb.EVENT_TYPE_TIMER_STARTED, enumspb.EVENT_TYPE_UPSERT_WORKFLOW_SEARCH_ATTRIBUTES, enumspb.EVENT_TYPE_SIGNAL_EXTERNAL_WORKFLOW_EXECUTION_INITIATED:
		return 1
	case enumspb.EVENT_TYPE_START_CHILD_WORKFLOW_EXECUTION_INITIATED:
		return 2
	case enumspb.EVENT_TYPE_ACTIVITY_TASK_STARTED:
		return int(e.GetActivityTaskStartedEventAttributes().GetAttempt()) - 1
	}
	return 0
}

type stageTime struct {
	stage freight.Stage
	at    time.Time
}

// stageTimes are the moments a shipment entered its stages, from the audit trail.
func (s *Show) stageTimes(ctx context.Context, p *Plan) (ts []stageTime, err error) {
	entries, err := s.Store.Audit(ctx, p.ID)
	for _, e := range entries {
		if e.Kind == freight.AuditStage {
			ts = append(ts, stageTime{e.Stage, e.At})
		}
	}
	return ts, err
}

func stageAt(ts []stageTime, at time.Time) freight.Stage {
	stage := freight.StageFulfilment
	for _, t := range ts {
		if !t.at.After(at) {
			stage = t.stage
		}
	}
	return stage
}
