package main

import (
	"context"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	historypb "go.temporal.io/api/history/v1"
	"google.golang.org/protobuf/proto"

	"waybill/workflows/freight"
	"waybill/workflows/protocol"
)

// figure is what a stage costs.
type figure struct {
	Actions int `json:"actions"`
	Events  int `json:"events"`
}

// cost is what one shipment cost in Temporal.
type cost struct {
	total   figure
	bytes   int
	byStage map[string]figure
}

// cost counts a shipment's history. A billable action is: the start, each signal, each activity and each retry of
// it, each timer, each change of search attributes; a child workflow is two.
func (h *house) cost(ctx context.Context, s *shipmentPlan) (c cost, err error) {
	entered, err := h.stageTimes(ctx, s)
	if err != nil {
		return c, err
	}
	c.byStage = map[string]figure{}
	it := h.temporal.GetWorkflowHistory(ctx, protocol.ShipmentWorkflowID(s.id), "", false, enumspb.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT)
	for it.HasNext() {
		e, err := it.Next()
		if err != nil {
			return c, err
		}
		n := actions(e)
		stage := string(stageAt(entered, e.GetEventTime().AsTime()))
		f := c.byStage[stage]
		f.Actions, f.Events = f.Actions+n, f.Events+1
		c.byStage[stage] = f
		c.total.Actions, c.total.Events = c.total.Actions+n, c.total.Events+1
		c.bytes += proto.Size(e)
	}
	return c, nil
}

func actions(e *historypb.HistoryEvent) int {
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
func (h *house) stageTimes(ctx context.Context, s *shipmentPlan) (ts []stageTime, err error) {
	entries, err := h.store.Audit(ctx, s.id)
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
