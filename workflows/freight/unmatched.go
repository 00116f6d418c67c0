package freight

import (
	"fmt"
	"slices"
	"time"
)

// The answers to what no shipment took.
const (
	Assign  Action = "assign"  // it is of this shipment
	Discard Action = "discard" // it is of none: it is kept, and told to no shipment
)

// Unmatched is what of one source waits for a person: no shipment has its references, or several have.
type Unmatched struct {
	Source  string         `json:"source"`
	Owner   string         `json:"owner,omitzero"`    // who answers for the source, as configured
	Contact string         `json:"contact,omitzero"`  // how they are reached
	Scans   int            `json:"scans"`             // all that wait for longer than the grace period
	Since   time.Time      `json:"since,omitzero"`    // when the oldest of them was read
	Waiting []UnmatchedRef `json:"waiting,omitempty"` // the oldest, at most UnmatchedShown
	More    bool           `json:"more,omitzero"`     // others wait behind those
	At      time.Time      `json:"at,omitzero"`       // when the store was asked; zero: it was not yet
	Replies []PlaceReply   `json:"replies,omitempty"` // newest last, at most 20
}

// UnmatchedShown bounds the references that are shown at a time: the others wait in the store, so that a source that is
// configured wrongly fills a table there and not a workflow.
const UnmatchedShown = 20

// CandidatesShown bounds the candidates of one reference.
const CandidatesShown = 5

// UnmatchedRef is a reference that scans of a source wait under.
type UnmatchedRef struct {
	Reference  string        `json:"reference"`     // as a person names it: a number, or delivery/12 where nothing was named
	Kind       ReferenceKind `json:"kind,omitzero"` // "" where nothing was named
	Carrier    CarrierCode   `json:"carrier,omitzero"`
	Scans      int           `json:"scans"` // of the oldest that were looked at
	Milestone  Milestone     `json:"milestone"`
	OccurredAt time.Time     `json:"occurredAt"` // the first of them, with the milestone
	Since      time.Time     `json:"since"`      // when it was read
	Why        string        `json:"why"`
	Candidates []Candidate   `json:"candidates,omitempty"` // for a person to judge: none is ever taken by itself
}

// Candidate is a shipment that may be meant.
type Candidate struct {
	Shipment ShipmentID `json:"shipment"`
	Why      string     `json:"why"`
}

// PlaceRequest is a person's answer to what waits under a reference of a source.
type PlaceRequest struct {
	ID        string     `json:"id"` // of this request alone: the same again gets the one reply
	Action    Action     `json:"action"`
	Source    string     `json:"source"`
	Reference string     `json:"reference"`
	Shipment  ShipmentID `json:"shipment,omitzero"` // for Assign
	By        string     `json:"by"`
	Reason    string     `json:"reason"` // required: it is kept for auditors
}

// Nameable reports whether a person can name something by this text in a PlaceRequest: it has 1 to 200 bytes.
func Nameable(text string) bool { return text != "" && len(text) <= longestText }

// Check says what is wrong with a request's form; nil for nothing.
func (q PlaceRequest) Check() error {
	switch {
	case !Nameable(q.ID) || !Nameable(q.Source) || !Nameable(q.Reference):
		return fmt.Errorf("id, source and reference of 1 to %d bytes are required", longestText)
	case q.Action != Assign && q.Action != Discard:
		return fmt.Errorf("action %q: want %s or %s", q.Action, Assign, Discard)
	case q.Action == Assign && !q.Shipment.Valid():
		return fmt.Errorf("%q is no shipment id such as acme-1042", q.Shipment)
	case q.Action == Discard && q.Shipment != "":
		return fmt.Errorf("what is discarded is of no shipment, and not of %s", q.Shipment)
	}
	return CheckPerson(q.By, q.Reason)
}

// PlaceReply says what became of a PlaceRequest.
type PlaceReply struct {
	ID      string    `json:"id"`
	Scans   int       `json:"scans"` // that were assigned or discarded
	Note    string    `json:"note,omitzero"`
	Refusal string    `json:"refusal,omitzero"` // why nothing was done; "" where it holds
	At      time.Time `json:"at"`
}

// Update takes what the store says now. The replies stay.
func (u *Unmatched) Update(now Unmatched) {
	now.Replies = u.Replies
	*u = now
}

// Answer keeps a reply.
func (u *Unmatched) Answer(r PlaceReply) {
	u.Replies = append(u.Replies, r)
	if over := len(u.Replies) - repliesKept; over > 0 {
		u.Replies = slices.Clone(u.Replies[over:])
	}
}

// Done reports whether nothing waits any more.
func (u *Unmatched) Done() bool { return !u.At.IsZero() && u.Scans == 0 }
