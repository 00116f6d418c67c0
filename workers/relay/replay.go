package relay

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"waybill/internal/store"
	"waybill/starters/bridge/connectors"
	"waybill/workflows/freight"
)

// Replay reads deliveries of a source again, as far as a connector has read them, or could not: with a version that
// knows better. What was said before is not said twice, and what a shipment was told stands, unless it is taken back.
type Replay struct {
	Store     *store.Store
	Connector connectors.Connector
	Source    string
	From, To  time.Time        // received from one and before the other
	DeadOnly  bool             // only those that could not be read
	DryRun    bool             // find the difference, and change nothing
	Retract   *Correction      // takes back what shipments were told and is no longer read so; nil: it stands
	Now       func() time.Time // needed with Retract

	said  map[string]bool // keys that an earlier delivery of this replay says anew
	still map[string]bool // keys that some delivery of this replay says
}

// Statement is what a scan says, as far as a replay may change it.
type Statement struct {
	Milestone  freight.Milestone   `json:"milestone"`
	Classifier freight.Classifier  `json:"classifier"`
	OccurredAt time.Time           `json:"occurredAt"`
	Reason     string              `json:"reason,omitzero"`
	RawCode    string              `json:"rawCode,omitzero"`
	References []freight.Reference `json:"references"`
	Surprise   string              `json:"surprise,omitzero"`
}

// ChangeKind says how a reading differs from the one before.
type ChangeKind string

// The kinds of change.
const (
	Added      ChangeKind = "added"      // nobody said so before
	Changed    ChangeKind = "changed"    // it was said otherwise
	Withdrawn  ChangeKind = "withdrawn"  // it is no longer said: set aside where it is unmatched, else it stands
	Unreadable ChangeKind = "unreadable" // the connector cannot read the delivery: it stays as it is
)

// Change is one difference that a replay finds.
type Change struct {
	Delivery   int64              `json:"delivery"`   // its number in the inbox
	DeliveryID string             `json:"deliveryId"` // the sender's
	ReceivedAt time.Time          `json:"receivedAt"`
	Kind       ChangeKind         `json:"kind"`
	ReadBy     string             `json:"readBy,omitzero"`   // the version that read it before
	Shipment   freight.ShipmentID `json:"shipment,omitzero"` // that was told what was said before
	Was        *Statement         `json:"was,omitempty"`
	Is         *Statement         `json:"is,omitempty"`
	Why        string             `json:"why,omitzero"` // it is unreadable
	// TakenBack says that a retraction of what the shipment was told is filed, or in a dry run that one would be; Stands
	// why none is, where retractions were asked for.
	TakenBack bool   `json:"takenBack,omitzero"`
	Stands    string `json:"stands,omitzero"`

	was  *store.Filed
	same bool // the delivery still says something that a retraction of Was would undo
}

// Outcome is what a replay found and did.
type Outcome struct {
	Read      int      `json:"read"`      // deliveries
	Unchanged int      `json:"unchanged"` // of them
	Changes   []Change `json:"changes"`
	Filed     int      `json:"filed"`     // scans for shipments, which the worker's relay sends
	Unmatched int      `json:"unmatched"` // scans that wait for a shipment
	TakenBack int      `json:"takenBack"` // statements that shipments were told
}

// Run replays, in the order in which the deliveries came.
func (r *Replay) Run(ctx context.Context) (o Outcome, err error) {
	o.Changes, r.said, r.still = []Change{}, map[string]bool{}, map[string]bool{}
	for after := int64(0); ; {
		ds, err := r.Store.ReadBetween(ctx, r.Source, r.From, r.To, after, batch)
		if err != nil {
			return o, err
		}
		if len(ds) == 0 {
			return o, r.takeBack(ctx, &o)
		}
		for _, d := range ds {
			after = d.Seq
			if r.DeadOnly && d.State != store.Dead {
				continue
			}
			if err := r.one(ctx, d, &o); err != nil {
				return o, fmt.Errorf("replay delivery %d: %w; what came before it is done, the same replay again goes on", d.Seq, err)
			}
		}
	}
}

func (r *Replay) one(ctx context.Context, d store.Delivery, o *Outcome) error {
	o.Read++
	in, fault := connectors.Read(r.Connector, d)
	if fault != nil {
		if d.State == store.Dead && d.Reason == fault.Error() {
			o.Unchanged++
			return nil
		}
		o.Changes = append(o.Changes, Change{Delivery: d.Seq, DeliveryID: d.ID, ReceivedAt: d.ReceivedAt, Kind: Unreadable, ReadBy: d.Connector, Why: fault.Error()})
		return nil
	}
	changes, err := r.compare(ctx, d, in)
	if err != nil {
		return err
	}
	if len(changes) == 0 && d.State != store.Dead {
		o.Unchanged++
		return nil
	}
	o.Changes = append(o.Changes, changes...)
	if r.DryRun {
		return nil
	}
	a, err := r.Store.Readmit(ctx, store.Filing{Delivery: d.Seq, Connector: r.Connector.ID(), Scans: in})
	o.Filed, o.Unmatched = o.Filed+a.New, o.Unmatched+a.Unmatched
	return err
}

// compare says how a delivery is read otherwise than it was.
func (r *Replay) compare(ctx context.Context, d store.Delivery, in []store.Incoming) (changes []Change, _ error) {
	before, err := r.Store.FiledFrom(ctx, d.Seq)
	if err != nil {
		return nil, err
	}
	now := map[string]bool{}
	for _, s := range in {
		now[s.Scan.Key], r.still[s.Scan.Key] = true, true
	}
	known, err := r.Store.FiledAs(ctx, slices.Collect(maps.Keys(now)))
	if err != nil {
		return nil, err
	}
	gone := slices.DeleteFunc(before, func(f store.Filed) bool { return now[f.Scan.Key] })
	for _, s := range in {
		if known[s.Scan.Key] || r.said[s.Scan.Key] {
			continue
		}
		r.said[s.Scan.Key] = true
		c := Change{Delivery: d.Seq, DeliveryID: d.ID, ReceivedAt: d.ReceivedAt, Kind: Added, ReadBy: d.Connector, Is: statement(s.Scan, s.References, s.Surprise)}
		if i := same(gone, s.Scan); i >= 0 {
			c.Kind = Changed
			c.unsay(gone[i], in)
			gone = slices.Delete(gone, i, i+1)
		}
		changes = append(changes, c)
	}
	for _, f := range gone {
		c := Change{Delivery: d.Seq, DeliveryID: d.ID, ReceivedAt: d.ReceivedAt, Kind: Withdrawn, ReadBy: d.Connector}
		c.unsay(f, in)
		changes = append(changes, c)
	}
	return changes, nil
}

// unsay notes a statement that is no longer made by a delivery, which is now read as in.
func (c *Change) unsay(f store.Filed, in []store.Incoming) {
	c.Was, c.Shipment = statement(f.Scan, f.References, f.Surprise), f.Shipment
	c.was, c.same = &f, saysTheSame(f, in)
}

// same finds the statement that was read otherwise before: of the same code and time, else of the same time, else of
// the same code; -1 for none.
func same(before []store.Filed, s freight.Scan) int {
	for _, like := range []func(freight.Scan) bool{
		func(b freight.Scan) bool { return b.RawCode == s.RawCode && b.OccurredAt.Equal(s.OccurredAt) },
		func(b freight.Scan) bool { return b.OccurredAt.Equal(s.OccurredAt) },
		func(b freight.Scan) bool { return b.RawCode == s.RawCode },
	} {
		if i := slices.IndexFunc(before, func(f store.Filed) bool { return like(f.Scan) }); i >= 0 {
			return i
		}
	}
	return -1
}

func statement(s freight.Scan, refs []freight.Reference, surprise string) *Statement {
	return &Statement{Milestone: s.Milestone, Classifier: s.Classifier, OccurredAt: s.OccurredAt, Reason: s.Reason, RawCode: s.RawCode, References: refs, Surprise: surprise}
}
