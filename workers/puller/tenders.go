package puller

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"go.uber.org/zap"

	"waybill/activities/tms"
	"waybill/internal/store"
	"waybill/starters/bridge/connectors"
	"waybill/workflows/freight"
)

// Tenders is a TMS that is asked about the tenders of which nobody has told anything, and about those that were accepted
// without a number of the carrier's.
type Tenders struct {
	Source string // whose events its answers are: one that sends our own
	Name   string // of the TMS in routes; "" is the default
	TMS    *tms.TMS
	Guard  Guard
	After  time.Duration // since the tender was recorded
	Until  time.Duration // after the promise, or after the tender where nothing was promised
	Pace   Pace          // of all calls by all pullers together
	// PerSecond is the rate of Pace; 0: it has none.
	PerSecond float64
}

// Ask asks about the tenders that are due, one after the other, and reports how many were.
func (p *Puller) Ask(ctx context.Context, t Tenders) (asked int, err error) {
	if !t.Guard.Passes() {
		return 0, nil
	}
	vs, err := p.Store.TakeTenders(ctx, store.TenderQuery{Source: t.Source, TMS: t.Name, Silent: p.Now().Add(-t.After), Span: leaseSpan, Limit: within(t.PerSecond)})
	var faults []error
	for _, v := range vs {
		faults = append(faults, p.askTender(ctx, t, v))
	}
	return len(vs), errors.Join(append(faults, err)...)
}

func (p *Puller) askTender(ctx context.Context, t Tenders, v store.Tender) error {
	if over(v.Pull, t.Until, p.Now()) {
		return p.again(ctx, v.Pull, "given_up", longest)
	}
	if err := t.Pace.Wait(ctx); err != nil {
		return err // as of a number
	}
	if !t.Guard.Passes() {
		return p.Store.PullAgain(ctx, v.Pull, p.Now())
	}
	ended := t.Guard.Begin(ctx)
	r, there, err := t.TMS.Read(ctx, v.Shipment, v.N)
	ended(err)
	if ctx.Err() != nil {
		return nil
	}
	if err != nil {
		return p.refused(ctx, v.Pull, t.After, err)
	}
	outcome := unknown
	if there {
		if outcome, err = p.fileAnswer(ctx, t.Source, v.Shipment, r); err != nil {
			return err
		}
	}
	return p.again(ctx, v.Pull, outcome, backOff(v.Heard, p.Now(), t.After))
}

// fileAnswer registers the numbers that a request has by now, and files its status as the event that the TMS would have
// sent. The same status again is the same delivery.
func (p *Puller) fileAnswer(ctx context.Context, source string, id freight.ShipmentID, r tms.Request) (outcome string, err error) {
	numbers := freight.Booking{Carrier: r.Carrier, PRO: r.PRO, Tracking: r.Tracking}.References()
	if err := p.Store.Register(ctx, id, numbers); err != nil {
		return "", err
	}
	m, answered := answerOf(r, numbers, p.Now())
	if !answered {
		return "unanswered", nil
	}
	sum := sha256.Sum256(fmt.Appendf(nil, "%s|%s|%s", r.ExternalRef, r.Status, r.Since))
	hash := hex.EncodeToString(sum[:])
	body, err := eventOf(source, hash, id, m)
	if err != nil {
		return "", err
	}
	d := pulled(source, hash, body, p.Now())
	if _, err := connectors.Read(connectors.Canonical{}, d); err != nil {
		p.Log.Warn("pull_unreadable", zap.String("source", source), zap.String("number", r.ExternalRef), zap.Error(err))
		return unreadable, nil
	}
	return p.accept(ctx, d)
}

// answerOf is what the status of a request says of its freight; false while it says nothing. Of a pick-up the TMS knows the
// day at best: its clock tells when somebody noted it, and a carrier's own time is believed before that.
func answerOf(r tms.Request, numbers []freight.Reference, now time.Time) (m connectors.Milestone, answered bool) {
	said, answered := map[string]freight.Milestone{tms.StatusAccepted: freight.TenderAccepted, tms.StatusDeclined: freight.TenderDeclined, tms.StatusPickedUp: freight.PickedUp}[r.Status]
	m = connectors.Milestone{Milestone: said, Classifier: freight.Actual, OccurredAt: r.Since, Carrier: r.Carrier, References: numbers}
	if r.Since.IsZero() {
		m.OccurredAt = now
	}
	if said == freight.PickedUp {
		m.OccurredAt, m.Precision = m.OccurredAt.UTC().Truncate(24*time.Hour), freight.ToTheDay
	}
	return m, answered
}

func eventOf(source, hash string, id freight.ShipmentID, m connectors.Milestone) ([]byte, error) {
	data, err := json.Marshal(m)
	if err != nil {
		return nil, fmt.Errorf("encode the answer about %s: %w", id, err)
	}
	return json.Marshal(connectors.Event{
		SpecVersion: "1.0", ID: "pull-" + hash, Source: "urn:waybill:source:" + source, Type: connectors.MilestoneType,
		Subject: "shipment/" + string(id), Time: m.OccurredAt, Data: data,
	})
}
