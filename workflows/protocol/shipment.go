package protocol

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"

	"waybill/workflows/freight"
)

// ShipmentInput starts a shipment, or carries it over to a fresh run.
type ShipmentInput struct {
	ID         freight.ShipmentID `json:"id"`
	Picking    int64              `json:"picking"`          // stock.picking id; 0 for a load
	Load       *freight.Load      `json:"load,omitempty"`   // what no delivery stands for
	ReleasedBy string             `json:"releasedBy"`       // "odoo-scan", "odoo-hint", or a person
	Terms      *freight.Terms     `json:"terms,omitempty"`  // nil: the story asks for them
	Edition    int                `json:"edition,omitzero"` // the course of its story, set at its start and never changed
	Resume     *freight.Shipment  `json:"resume,omitempty"` // from an earlier run, or the closing snapshot
}

// Carrying is the edition from which the tender and the posting carry their record to the store, delivery and proof are
// recorded as one, and a closed shipment is known by its workflow being complete.
//
// An edition is a course that whoever starts a shipment chooses, and costs the shipment no action, as a marker of a version
// would. Its release must know the course before any starts on it: a release adds a course, and the next one starts it, so
// that either can be rolled back while shipments of both are under way.
const Carrying = 1

// ShipmentResult is what a closed shipment leaves in Temporal.
type ShipmentResult struct {
	Stage   freight.Stage `json:"stage"`
	Invoice string        `json:"invoice,omitzero"`
	Net     freight.Money `json:"net,omitzero"`
}

// Shipment is the story of one shipment.
var Shipment = Workflow[ShipmentInput, ShipmentResult]{Name: "Shipment"}

// ShipmentState answers with all the story knows.
var ShipmentState = Query[freight.Shipment]{Name: "state", Text: "All that is known of the shipment."}

// The signals of a shipment.
var (
	Scans          = Signal[ScanBatch]{Name: "scans", Text: "Partners' scans in their order, from the relay. Not for hands: send a partner's event through the bridge."}
	PaymentSeen    = Signal[freight.Payment]{Name: "payment-seen", Text: "Odoo's payment state of our invoice, from the worker's scan of Odoo. Not for hands: register the payment in Odoo."}
	CancelAsked    = Signal[freight.CancelRequest]{Name: "cancel-asked", Text: `Cancel the shipment while it can be: {"by":"ann","reason":"the customer withdrew"}, or waybill cancel SHIPMENT`}
	ResolveAsked   = Signal[ResolveRequest]{Name: "resolve-exception", Text: `Resolve an open exception: {"exception":1,"action":"retry","by":"ann","reason":"contract entered"}, or waybill exception resolve SHIPMENT 1`}
	DisputeSettled = Signal[Settlement]{Name: "dispute-settled", Text: "The end of one of our disputes, from its workflow, with the decision as it was signed. Not for hands: waybill dispute approve or reject."}
)

// NumbersKnown tells a shipment numbers of the carrier's that it may not know.
var NumbersKnown = Signal[freight.NumbersGiven]{Name: "numbers-known", Text: `Numbers of the carrier's became known: {"numbers":[{"kind":"tracking","value":"1Z999"}],"by":"ann","reason":"called the carrier"}, or waybill exception supply SHIPMENT NUMBER`}

// OrderSeen tells a shipment what its order asks now.
var OrderSeen = Signal[freight.Ordered]{Name: "order-seen", Text: "What the order asks, where it was changed, from the worker's scan of Odoo. Not for hands: change the order in Odoo."}

// ScanBatch is all the scans that wait for one shipment, in order.
type ScanBatch struct {
	Scans []freight.Scan `json:"scans"`
}

// Check says what is wrong with a batch; nil for nothing. Each scan is checked on its own: a bad one must not cost
// the others.
func (b ScanBatch) Check() error {
	if len(b.Scans) == 0 {
		return errors.New("no scans in it")
	}
	return nil
}

// Settlement tells a shipment that one of its disputes is over. The shipment verifies the decision itself: who can
// send a signal cannot make a ruling with it.
type Settlement struct {
	Dispute freight.DisputeID `json:"dispute"`
	JWS     string            `json:"jws"` // the decision as signed; "" for a dispute that was withdrawn
}

// Check says what is wrong with a settlement's form; nil for nothing.
func (s Settlement) Check() error {
	if s.Dispute == "" || len(s.Dispute) > longestText || len(s.JWS) > longestJWS {
		return fmt.Errorf("dispute of 1 to %d bytes and jws of at most %d are required", longestText, longestJWS)
	}
	return nil
}

// What a hand may send, in bytes. It is kept in the shipment, and must not fill it.
const (
	longestText = 200
	longestJWS  = 8192
)

// ResolveRequest is a person's answer to an exception.
type ResolveRequest struct {
	Exception int            `json:"exception"` // its number within the shipment
	Action    freight.Action `json:"action"`
	By        string         `json:"by"`
	Reason    string         `json:"reason"` // required: it is kept for auditors
}

// Check says what is wrong with a request; nil for nothing.
func (r ResolveRequest) Check() error {
	known := []freight.Action{freight.Retry, freight.Waive, freight.Abandon, freight.Dismiss}
	switch {
	case r.Exception < 1:
		return fmt.Errorf("exception %d: want the number shown by waybill exception list", r.Exception)
	case !slices.Contains(known, r.Action):
		return fmt.Errorf("action %q: want one of %v", r.Action, known)
	}
	return freight.CheckPerson(r.By, r.Reason)
}

// DisputeInput opens a dispute, or carries it over to a fresh run.
type DisputeInput struct {
	Proposal  freight.Proposal `json:"proposal"`
	RespondBy time.Time        `json:"respondBy,omitzero"` // zero: no clock
	Resume    *freight.Dispute `json:"resume,omitempty"`
	Waiting   []SignedDecision `json:"waiting,omitempty"` // read by an earlier run, not yet verified, in their order
}

// Dispute is the story of one dispute.
var Dispute = Workflow[DisputeInput, freight.Ruling]{Name: "Dispute"}

// DisputeState answers with all the dispute knows.
var DisputeState = Query[freight.Dispute]{Name: "state", Text: "The proposal, its hash, and every answer given to a decision."}

// DecisionMade carries a signed decision to its dispute.
var DecisionMade = Signal[SignedDecision]{Name: "decision", Text: "A decision signed by its approver, from waybill dispute approve or reject."}

// SignedDecision is a freight.Decision as a compact JWS, signed with the approver's own key.
type SignedDecision struct {
	JWS string `json:"jws"`
}

// Hash names the document as it was sent: SHA-256 of the JWS, lower-case hex.
func (d SignedDecision) Hash() string {
	sum := sha256.Sum256([]byte(d.JWS))
	return hex.EncodeToString(sum[:])
}

// Check says what is wrong with a signed decision's form; nil for nothing.
func (d SignedDecision) Check() error {
	if d.JWS == "" || len(d.JWS) > longestJWS {
		return fmt.Errorf("jws: want a compact JWS of at most %d bytes", longestJWS)
	}
	return nil
}

// ShipmentStart is how a shipment's first run is started now: once for an id, ever.
func ShipmentStart(in ShipmentInput, customer freight.CustomerCode, orderName string) client.StartWorkflowOptions {
	attributes := []temporal.SearchAttributeUpdate{StageAttribute.ValueSet(string(freight.StageFulfilment))}
	if customer != "" {
		attributes = append(attributes, CustomerAttribute.ValueSet(Code(customer)))
	}
	if now := time.Now(); in.Terms != nil {
		begun := freight.Shipment{Stage: freight.StageFulfilment, Since: now, Entered: now, Terms: *in.Terms}
		if d, ok := begun.NextDeadline(now); ok {
			attributes = append(attributes, DeadlineAttribute.ValueSet(d.At)) // what is set at the start costs nothing
		}
	}
	return client.StartWorkflowOptions{
		ID:                                       ShipmentWorkflowID(in.ID),
		TaskQueue:                                QueueStories,
		WorkflowIDReusePolicy:                    enumspb.WORKFLOW_ID_REUSE_POLICY_REJECT_DUPLICATE,
		WorkflowIDConflictPolicy:                 enumspb.WORKFLOW_ID_CONFLICT_POLICY_FAIL,
		WorkflowExecutionErrorWhenAlreadyStarted: true,
		TypedSearchAttributes:                    temporal.NewSearchAttributes(attributes...),
		StaticSummary:                            Summary(fmt.Sprintf("%s of order %s, customer %s", in.ID, orderName, customer)),
	}
}

// StartShipment starts a shipment; started is false where its id has been used, running or not.
func StartShipment(ctx context.Context, c client.Client, in ShipmentInput, customer freight.CustomerCode, orderName string) (started bool, err error) {
	in.Edition = Edition
	_, err = c.ExecuteWorkflow(ctx, ShipmentStart(in, customer, orderName), Shipment.Name, in)
	var already *serviceerror.WorkflowExecutionAlreadyStarted
	if errors.As(err, &already) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("start shipment %s: %w", in.ID, err)
	}
	return true, nil
}

// Reopener is the part of a Temporal client that brings a message to a workflow, and starts one that has ended again.
type Reopener interface {
	SignalWithStartWorkflow(ctx context.Context, workflowID, signalName string, signalArg any, options client.StartWorkflowOptions, workflow any, args ...any) (client.WorkflowRun, error)
}

// ReopenShipment brings scans to a shipment that has closed: it goes on in settlement from its closing snapshot, and
// closes again when nothing is left to decide. Where it runs, the scans just go there, so that repeating this does
// no harm.
func ReopenShipment(ctx context.Context, c Reopener, final freight.Shipment, b ScanBatch) error {
	in := ShipmentInput{ID: final.ID, Picking: final.Release.Picking, ReleasedBy: "late-scan", Resume: &final, Edition: Edition}
	o := ShipmentStart(in, final.Release.Customer, final.Release.OrderName)
	o.WorkflowIDReusePolicy = enumspb.WORKFLOW_ID_REUSE_POLICY_ALLOW_DUPLICATE
	o.WorkflowIDConflictPolicy, o.WorkflowExecutionErrorWhenAlreadyStarted = enumspb.WORKFLOW_ID_CONFLICT_POLICY_UNSPECIFIED, false
	if _, err := c.SignalWithStartWorkflow(ctx, o.ID, Scans.Name, b, o, Shipment.Name, in); err != nil {
		return fmt.Errorf("reopen shipment %s: %w", final.ID, err)
	}
	return nil
}
