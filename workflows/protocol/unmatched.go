package protocol

import (
	"context"
	"fmt"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"

	"waybill/workflows/freight"
)

// UnmatchedInput starts what shows people a source's unmatched scans, or carries it over to a fresh run.
type UnmatchedInput struct {
	Source  string                 `json:"source"`
	Resume  *freight.Unmatched     `json:"resume,omitempty"`
	Waiting []freight.PlaceRequest `json:"waiting,omitempty"` // read by an earlier run, not yet answered, in their order
}

// Unmatched is the story of what no shipment took of one source. It ends when nothing is left.
var Unmatched = Workflow[UnmatchedInput, freight.Unmatched]{Name: "Unmatched"}

// UnmatchedState answers with what is shown.
var UnmatchedState = Query[freight.Unmatched]{Name: "state", Text: "What waits, the shipments it may be of, and every answer given."}

// The signals of what waits unmatched.
var (
	UnmatchedSeen = Signal[UnmatchedNotice]{Name: "unmatched-seen", Text: "That something waits, or no longer does, from the worker's look into the store. Not for hands."}
	PlaceAsked    = Signal[freight.PlaceRequest]{Name: "place", Text: "Whose a reference is, or that it is nobody's: from waybill exception assign or discard."}
)

// UnmatchedNotice says that the store has something new to show.
type UnmatchedNotice struct {
	Scans int `json:"scans"` // that wait; the story asks the store itself
}

// UnmatchedRequest asks what waits of a source.
type UnmatchedRequest struct {
	Source string `json:"source"`
}

// Placed is the answer to a person, and what waits after it.
type Placed struct {
	Reply     freight.PlaceReply `json:"reply"`
	Unmatched freight.Unmatched  `json:"unmatched"`
}

// ExceptionUnmatched is what lists of exceptions find a source's unmatched scans by.
const ExceptionUnmatched = "unmatched"

// TellUnmatched brings a message to a source's story, and starts it where none runs.
func TellUnmatched[T any](ctx context.Context, c Reopener, source string, s Signal[T], msg T) error {
	o := client.StartWorkflowOptions{
		ID:                    UnmatchedWorkflowID(source),
		TaskQueue:             QueueStories,
		WorkflowIDReusePolicy: enumspb.WORKFLOW_ID_REUSE_POLICY_ALLOW_DUPLICATE,
		TypedSearchAttributes: temporal.NewSearchAttributes(StageAttribute.ValueSet(ExceptionUnmatched), ExceptionsAttribute.ValueSet([]string{ExceptionUnmatched})),
		StaticSummary:         Summary("what no shipment took of source " + source),
	}
	if _, err := c.SignalWithStartWorkflow(ctx, o.ID, s.Name, msg, o, Unmatched.Name, UnmatchedInput{Source: source}); err != nil {
		return fmt.Errorf("signal %s to %s: %w", s.Name, o.ID, err)
	}
	return nil
}
