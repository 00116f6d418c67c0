package cluster

import (
	"context"
	"errors"
	"fmt"

	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"

	"waybill/workflows/freight"
	"waybill/workflows/protocol"
)

// markNote is the text that a schedule without a time holds: it runs nothing, and keeps one number in Temporal that
// can be read without a worker, for no more than one action each time it grows.
const markNote = "store mark %d: a store with a lower one is a restored backup. Not for hands: waybill-worker keeps it."

// StoreMark is the highest mark of the tenant's store that Temporal has been told; 0 where there is none.
func StoreMark(ctx context.Context, c client.Client, tenant freight.TenantCode) (n int64, err error) {
	d, err := c.ScheduleClient().GetHandle(ctx, protocol.StoreMarkID(tenant)).Describe(ctx)
	var none *serviceerror.NotFound
	switch {
	case errors.As(err, &none):
		return 0, nil
	case err != nil:
		return 0, fmt.Errorf("temporal: read schedule %s: %w", protocol.StoreMarkID(tenant), err)
	}
	return noted(d.Schedule)
}

func noted(s client.Schedule) (n int64, err error) {
	if _, err := fmt.Sscanf(s.State.Note, markNote[:len("store mark %d")], &n); err != nil {
		return 0, fmt.Errorf("temporal: a store's mark has the note %q: delete the schedule, and run waybill-admin reconcile --after-restore if a backup was restored", s.State.Note)
	}
	return n, nil
}

// RaiseStoreMark tells Temporal of a mark. A higher one stays.
func RaiseStoreMark(ctx context.Context, c client.Client, tenant freight.TenantCode, n int64) error {
	id, note := protocol.StoreMarkID(tenant), fmt.Sprintf(markNote, n)
	_, err := c.ScheduleClient().Create(ctx, client.ScheduleOptions{ID: id, Paused: true, Note: note, Action: &client.ScheduleWorkflowAction{ID: id, Workflow: "nothing", TaskQueue: protocol.QueueStories}})
	if err == nil {
		return nil
	}
	if !errors.Is(err, temporal.ErrScheduleAlreadyRunning) {
		return fmt.Errorf("temporal: make schedule %s: %w", id, err)
	}
	err = c.ScheduleClient().GetHandle(ctx, id).Update(ctx, client.ScheduleUpdateOptions{DoUpdate: func(in client.ScheduleUpdateInput) (*client.ScheduleUpdate, error) {
		has, err := noted(in.Description.Schedule)
		if err != nil || has >= n {
			return nil, errors.Join(err, temporal.ErrSkipScheduleUpdate)
		}
		s := in.Description.Schedule
		s.State.Note = note
		return &client.ScheduleUpdate{Schedule: &s}, nil
	}})
	if err != nil {
		return fmt.Errorf("temporal: update schedule %s: %w", id, err)
	}
	return nil
}
