package relay

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"waybill/internal/store"
	"waybill/starters/bridge/connectors"
	"waybill/workflows/freight"
)

// Correction is by whom, and why, what shipments were told is taken back: both are kept with each retraction.
type Correction struct {
	By, Reason string
	Milestones []freight.Milestone // only statements of these; none: of any. A shipment holds 100 retractions
}

// takeBack files a retraction, as its source's own, of each statement that a shipment was told and that is no longer read
// so. They go the way of every event: kept before they count, and once.
func (r *Replay) takeBack(ctx context.Context, o *Outcome) error {
	if r.Retract == nil {
		return nil
	}
	unsaid := map[string]bool{}
	for _, c := range o.Changes {
		if c.was != nil && !r.still[c.was.Scan.Key] {
			unsaid[c.was.Scan.Key] = true
		}
	}
	for i := range o.Changes {
		c := &o.Changes[i]
		if c.was == nil || c.Shipment == "" {
			continue
		}
		if err := r.takeOneBack(ctx, c, unsaid); err != nil {
			return err
		}
		if c.TakenBack {
			o.TakenBack++
		}
	}
	return nil
}

func (r *Replay) takeOneBack(ctx context.Context, c *Change, unsaid map[string]bool) (err error) {
	if c.Stands, err = r.stands(ctx, *c, unsaid); err != nil || c.Stands != "" {
		return err
	}
	d, err := r.retraction(*c)
	if err != nil {
		return err
	}
	before, err := r.Store.Received(ctx, d.Source, d.ID)
	switch {
	case err != nil:
		return err
	case before:
		c.Stands = "it was taken back before"
		return nil
	case r.DryRun:
		c.TakenBack = true
		return nil
	}
	repeat, err := r.Store.Accept(ctx, d)
	if errors.Is(err, store.ErrConflict) {
		repeat, err = true, nil // someone else took it back meanwhile
	}
	c.TakenBack = err == nil && !repeat
	return err
}

// stands says why a statement is not taken back; "" if it is. A retraction undoes all that its source has told the
// shipment of the same milestone at the same time, so that one who says rightly the same keeps it.
func (r *Replay) stands(ctx context.Context, c Change, unsaid map[string]bool) (string, error) {
	s := c.was.Scan
	switch {
	case c.was.State != "matched" && c.was.State != "sent":
		return "its shipment was not told: it is " + c.was.State, nil
	case s.Retracts != nil || s.Classifier != freight.Actual || s.Milestone == freight.Unclassified:
		return "it moves nothing", nil
	case len(r.Retract.Milestones) > 0 && !slices.Contains(r.Retract.Milestones, s.Milestone):
		return "its milestone was not asked for", nil
	case r.still[s.Key]:
		return "another delivery says it still", nil
	case c.same:
		return "it is said otherwise, of the same milestone at the same time", nil
	}
	if err := retracts(s).Check(); err != nil {
		return err.Error(), nil
	}
	told, err := r.Store.ToldTo(ctx, c.Shipment, s.Source)
	if err != nil {
		return "", err
	}
	if slices.ContainsFunc(told, func(f store.Filed) bool { return !unsaid[f.Scan.Key] && undone(s, f.Scan) }) {
		return "the source has told the same of that time in another statement", nil
	}
	return "", nil
}

func retracts(s freight.Scan) freight.Retracts {
	return freight.Retracts{Milestone: s.Milestone, At: s.OccurredAt}
}

// undone reports whether a retraction of one scan undoes another.
func undone(taken, s freight.Scan) bool {
	return s.Milestone == taken.Milestone && s.Classifier == freight.Actual && s.OccurredAt.Equal(taken.OccurredAt) && (taken.Parcel == "" || taken.Parcel == s.Parcel)
}

// saysTheSame reports whether a delivery is read as something that a retraction of one of its statements would undo.
func saysTheSame(f store.Filed, in []store.Incoming) bool {
	return slices.ContainsFunc(in, func(i store.Incoming) bool {
		return undone(f.Scan, i.Scan) && slices.ContainsFunc(i.References, func(r freight.Reference) bool { return slices.Contains(f.References, r) })
	})
}

// retraction is that of a statement, as a delivery that a person has put into the inbox.
func (r *Replay) retraction(c Change) (d store.Delivery, err error) {
	s, back, now := c.was.Scan, retracts(c.was.Scan), r.Now()
	data, err := json.Marshal(connectors.Milestone{
		Milestone: freight.Unclassified, OccurredAt: now, Reason: string(freight.ReasonRetracted), RawCode: "retracts " + s.RawCode, Parcel: s.Parcel,
		Retracts: &connectors.Retracts{Milestone: back.Milestone, OccurredAt: back.At},
	})
	if err != nil {
		return d, err
	}
	sum := sha256.Sum256([]byte(string(c.Shipment) + "|" + s.Key))
	id := "retract-" + string(c.Shipment) + "-" + hex.EncodeToString(sum[:16])
	body, err := json.Marshal(connectors.Event{SpecVersion: "1.0", ID: id, Source: connectors.SourceURN(s.Source), Type: connectors.MilestoneType, Subject: "shipment/" + string(c.Shipment), Time: now.Truncate(time.Millisecond), Data: data})
	if err != nil {
		return d, err
	}
	d = store.Delivery{Source: connectors.ByHand, ID: id, Body: body, VerifiedBy: r.Retract.By, ReceivedAt: now, Headers: map[string]string{
		"content-type": "application/cloudevents+json", "by": r.Retract.By, "reason": r.Retract.Reason, "delivery": fmt.Sprint(c.was.Delivery),
	}}
	_, err = connectors.Read(connectors.Canonical{}, d) // it must not be found unreadable when it cannot be mended any more
	return d, err
}
