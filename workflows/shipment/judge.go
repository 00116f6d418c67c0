package shipment

import (
	"errors"
	"fmt"
	"slices"

	"go.temporal.io/sdk/workflow"

	"waybill/workflows/freight"
)

// errTakenBack sends the story back to the freight: what counted as delivered is not.
var errTakenBack = errors.New("the delivery was taken back")

// known is what was known of the freight before a batch of scans was read.
type known struct {
	troubles  []freight.Trouble
	doubts    []freight.Doubt
	delivered bool
}

func (r *run) known() known {
	r.ill = nil
	k := known{delivered: r.s.Delivered()}
	if r.s.Judged {
		k.troubles, k.doubts = r.s.Journey.Troubles(), r.s.Doubts()
	}
	return k
}

// judge looks at what a batch of scans has changed: troubles come and go with the freight's own events, and so do
// contradictions. One that a person has answered comes again only when it happens again.
func (r *run) judge(ctx workflow.Context, was known) {
	if !r.s.Judged && (len(r.ill) > 0 || len(r.s.Journey.Troubles()) > 0 || len(r.s.Journey.Doubts()) > 0) {
		r.s.Judged = judgesEvents(ctx)
		r.raiseIll(ctx)
	}
	if r.s.Judged {
		r.judgeTroubles(ctx, was)
		r.judgeDoubts(ctx, was)
	}
	r.judgeDelivery(ctx, was)
}

// raiseIll shows what went wrong as shipments of an earlier release do; for others, it ends what these had shown.
func (r *run) raiseIll(ctx workflow.Context) {
	if r.s.Judged {
		r.settle(ctx, freight.FreightInTrouble, "", "it is shown as what it is")
		return
	}
	for _, s := range r.ill {
		text := "the carrier reports it " + string(s.Milestone)
		if s.Reason != "" {
			text += " (" + s.Reason + ")"
		}
		r.raise(ctx, freight.FreightInTrouble, string(s.Milestone), text)
	}
}

func (r *run) judgeTroubles(ctx workflow.Context, was known) {
	now := r.s.Journey.Troubles()
	for _, kind := range freight.TroubleKinds() {
		r.settleGone(ctx, kind, "a later event has ended it", func(ref string) bool {
			return slices.ContainsFunc(now, func(t freight.Trouble) bool { return t.Kind == kind && t.Ref == ref })
		})
	}
	for _, t := range now {
		if !slices.Contains(was.troubles, t) {
			r.raise(ctx, t.Kind, t.Ref, t.Detail)
		}
	}
}

func (r *run) judgeDoubts(ctx workflow.Context, was known) {
	now := r.s.Doubts()
	r.settleGone(ctx, freight.StatusContradictory, "the statements agree", func(ref string) bool {
		return slices.ContainsFunc(now, func(d freight.Doubt) bool { return d.Grave && d.Ref == ref })
	})
	for _, d := range now {
		if d.Grave && !slices.ContainsFunc(was.doubts, func(o freight.Doubt) bool { return o.Ref == d.Ref }) {
			r.raise(ctx, freight.StatusContradictory, d.Ref, d.Text)
		}
	}
}

// settleGone resolves the open exceptions of a kind that are about nothing any more.
func (r *run) settleGone(ctx workflow.Context, kind freight.ExceptionKind, why string, stands func(ref string) bool) {
	for _, e := range r.s.Exceptions {
		if e.Open() && e.Kind == kind && !stands(e.Ref) {
			r.settle(ctx, kind, e.Ref, why)
		}
	}
}

// judgeDelivery shows that a delivery was taken back. What is not billed yet goes back on its way by itself; what is
// goes to a person.
func (r *run) judgeDelivery(ctx workflow.Context, was known) {
	switch is := r.s.Delivered(); {
	case is && r.s.Exceptions.IsOpen(freight.DeliveryTakenBack, ""):
		r.settle(ctx, freight.DeliveryTakenBack, "", "it is delivered after all")
	case is || !was.delivered || !r.parts():
	case r.billed():
		r.raise(ctx, freight.DeliveryTakenBack, "", "it was billed as delivered, and is not: "+r.undelivered())
	default:
		r.note(ctx, freight.AuditTakenBack, waybill, r.undelivered())
	}
}

func (r *run) undelivered() string {
	if short := r.s.Shortage(); short != "" {
		return short + " are delivered"
	}
	rs := r.s.Journey.Retractions
	if len(rs) == 0 {
		return "the delivery does not stand any more"
	}
	last := rs[len(rs)-1]
	return fmt.Sprintf("%s took it back%s", last.Source, because(last.Reason))
}

func because(reason string) string {
	if reason == "" {
		return ""
	}
	return " (" + reason + ")"
}

// billed reports whether an invoice is under way or was made, or nothing is left to be billed by us.
func (r *run) billed() bool {
	return r.s.Plan != nil || r.s.Stage == freight.StageSettlement || r.s.Stage == freight.StageClosed
}

// parts reports whether anything was said by which a delivery can end: a retraction, or another parcel.
func (r *run) parts() bool { return len(r.s.Journey.Retractions) > 0 || len(r.s.Journey.Parcels) > 0 }

// takenBack reports whether the story is beyond a delivery that does not stand any more. What is billed stays so.
func (r *run) takenBack() bool {
	beyond := []freight.Stage{freight.StageProof, freight.StageCharges, freight.StageValidation}
	return !r.shielded && r.parts() && !r.billed() && slices.Contains(beyond, r.s.Stage) && !r.s.Delivered()
}

// stopSteps stops what was asked for the stage that the story leaves.
func (r *run) stopSteps() {
	for _, c := range r.calls {
		if !c.aside {
			c.stop()
		}
	}
}
