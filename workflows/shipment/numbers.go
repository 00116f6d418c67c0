package shipment

import (
	"fmt"
	"strings"
	"time"

	"go.temporal.io/sdk/workflow"

	"waybill/workflows/freight"
	"waybill/workflows/protocol"
)

// chase looks after freight that a carrier has accepted and of which no number of the carrier's is known: what the carrier
// says under its own number would find no shipment, and nobody could ask. When the policy's time for one is over, the store
// is asked, where others register numbers; then people are. It is over when one is known, or the freight is delivered.
func (r *run) chase(ctx workflow.Context) {
	now := workflow.Now(ctx)
	switch due := r.s.ReferenceDue(); {
	case !r.s.Numberless():
		r.endChase(ctx)
	case r.unwanted():
	case r.s.Unnumbered.IsZero():
		if chasesNumbers(ctx) {
			r.s.Unnumbered = now
		}
	case !due.IsZero() && !due.After(now) && !r.out(numbersKey):
		r.findNumbers(ctx)
	}
}

func (r *run) endChase(ctx workflow.Context) {
	why := "none is needed any more"
	if ns := r.s.Numbers(); len(ns) > 0 {
		why = "known by now: " + ns[0].Words()
	}
	r.settle(ctx, freight.ReferenceMissing, "", why)
	r.s.Unnumbered = time.Time{}
}

// findNumbers asks the store, beside the story. What cannot be asked is told to people as well.
func (r *run) findNumbers(ctx workflow.Context) {
	q := protocol.NumbersRequest{Shipment: r.s.ID}
	start(ctx, r, protocol.ReadNumbers, &call{key: numbersKey, aside: true}, "numbers of the carrier's", q, func(found protocol.Numbers, err error) {
		r.supply(ctx, freight.NumbersGiven{Numbers: found.Numbers, By: waybill, Reason: "found registered"})
		if !r.s.Numberless() || r.s.ReferenceDue().IsZero() {
			return
		}
		text := fmt.Sprintf("accepted, and no tracking, PRO or BOL number of the carrier's is known (due %s)", protocol.Minute(r.s.ReferenceDue()))
		if err != nil {
			text += "; the store does not say: " + protocol.Words(err)
		}
		r.raise(ctx, freight.ReferenceMissing, freight.TenderRef(r.s.Tenders), text)
	})
}

// hearNumbers takes numbers that became known. Those that a person gives are registered with the next record.
func (r *run) hearNumbers(ctx workflow.Context, g freight.NumbersGiven) {
	if news := r.supply(ctx, g); len(news) > 0 {
		r.s.Unregistered = append(r.s.Unregistered, news...)
		r.urgent = true
	}
}

// supply notes numbers that are new, and whose word it is.
func (r *run) supply(ctx workflow.Context, g freight.NumbersGiven) (news []freight.Reference) {
	news = r.s.Supply(g.Numbers)
	var texts []string
	for _, n := range news {
		texts = append(texts, n.Words())
	}
	if len(news) > 0 {
		r.note(ctx, freight.AuditReference, g.By, strings.Join(texts, ", ")+": "+g.Reason)
	}
	return news
}
