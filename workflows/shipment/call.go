package shipment

import (
	"slices"

	"go.temporal.io/sdk/workflow"

	"waybill/workflows/freight"
	"waybill/workflows/protocol"
)

// call is a call to the outside that has no answer yet.
type call struct {
	key    string
	aside  bool // the story goes on without its answer
	cancel workflow.CancelFunc
}

// start sends a call and lets the inbox hand its answer to then. Its key is an intent until it is answered.
func start[In, Out any](ctx workflow.Context, r *run, a protocol.Activity[In, Out], c *call, summary string, in In, then func(Out, error)) {
	var cctx workflow.Context
	cctx, c.cancel = workflow.WithCancel(ctx)
	r.calls = append(r.calls, c)
	r.s.Intend(c.key, a.Name, workflow.Now(ctx))
	r.inbox.AddFuture(a.Start(cctx, in, summary), func(f workflow.Future) {
		var out Out
		err := f.Get(ctx, &out)
		r.calls = slices.DeleteFunc(r.calls, func(o *call) bool { return o == c })
		if c.stopped(err) {
			return // the next run asks again
		}
		r.s.Answered(c.key)
		then(out, err)
	})
}

// stopped reports whether the call ended without an answer because the story stopped it: it may have been cut off,
// have run out of time, or have failed in a way that would have been tried again.
func (c *call) stopped(err error) bool { return c.cancel == nil && protocol.Unanswered(err) }

// stop asks a call to end without an answer. One that comes all the same takes effect.
func (c *call) stop() {
	if c.cancel != nil {
		c.cancel()
		c.cancel = nil
	}
}

// out reports whether a call is out under key.
func (r *run) out(key string) bool {
	return slices.ContainsFunc(r.calls, func(c *call) bool { return c.key == key })
}

// resting reports whether the story waits for the outside, and not for an answer of its own.
func (r *run) resting() bool {
	return !slices.ContainsFunc(r.calls, func(c *call) bool { return !c.aside })
}

// step is a call that the story cannot go on without. Its answer takes effect the moment it comes, also while the
// story is leaving: what is done is not asked for again.
type step[In, Out any] struct {
	do      protocol.Activity[In, Out]
	key     string
	summary string // what is asked, for operators
	in      func() In
	take    func(Out)
	kind    freight.ExceptionKind // what a refusal opens
	ends    protocol.Fault        // the fault that is an answer too; "" for none
}

// answer is what became of a step.
type answer struct {
	key  string
	kind freight.ExceptionKind
	ends protocol.Fault
	came bool
	err  error
}

// asker is a step, whatever it asks.
type asker interface {
	ask(workflow.Context, *run) *answer
}

func (s step[In, Out]) ask(ctx workflow.Context, r *run) *answer {
	a := &answer{key: s.key, kind: s.kind, ends: s.ends}
	start(ctx, r, s.do, &call{key: s.key}, s.summary, s.in(), func(out Out, err error) {
		if err == nil {
			s.take(out)
			r.settle(ctx, s.kind, s.key, "it worked when asked again")
		}
		a.came, a.err = true, err
	})
	return a
}

// insist asks all at once and waits until each has its answer, reading messages meanwhile: a partner that is down
// stops this, never the status. A refusal parks the shipment, and a person who has mended the cause lets it ask again.
// The fault that ends a step comes back.
func (r *run) insist(ctx workflow.Context, asks ...asker) error {
	for len(asks) > 0 {
		if r.calledOff() {
			return errCancelled
		}
		var answers []*answer
		for _, s := range asks {
			answers = append(answers, s.ask(ctx, r))
		}
		waits := func(a *answer) bool { return !a.came }
		if err := r.await(ctx, func() bool { return !slices.ContainsFunc(answers, waits) }); err != nil {
			return err
		}
		var refused []asker
		for i, a := range answers {
			switch {
			case a.err == nil:
				continue
			case a.ends != "" && protocol.FaultOf(a.err) == a.ends:
				return a.err
			}
			if err := r.park(ctx, a.kind, a.key, protocol.Words(a.err), nil); err != nil {
				return err
			}
			refused = append(refused, asks[i])
		}
		asks = refused
	}
	return nil
}

// isControl reports whether err steers the story rather than reporting a failed call.
func isControl(err error) bool {
	return err == errCancelled || err == errRevalidate || err == errTakenBack || workflow.IsContinueAsNewError(err)
}

// park opens an exception and waits until a person resolves it or its cause goes by itself. An action that
// cancels the shipment comes back as errCancelled.
func (r *run) park(ctx workflow.Context, kind freight.ExceptionKind, ref, detail string, gone func() bool) error {
	id := r.raise(ctx, kind, ref, detail)
	resolved := func() bool {
		e, found := r.s.Exceptions.ByID(id)
		return !found || !e.Open()
	}
	if err := r.await(ctx, func() bool { return resolved() || gone != nil && gone() }); err != nil {
		return err
	}
	if !resolved() {
		r.settle(ctx, kind, ref, "the cause has gone")
	}
	return nil
}

func (r *run) raise(ctx workflow.Context, kind freight.ExceptionKind, ref, detail string) (id int) {
	e, opened := r.s.Raise(kind, ref, detail, workflow.Now(ctx))
	if opened {
		r.note(ctx, freight.AuditException, waybill, string(kind)+" "+ref+": "+detail, e)
		r.s.SayOpened(e)
		r.urgent = true
	}
	return e.ID
}

// settle resolves an exception whose cause has gone by itself; an empty ref means any of the kind.
func (r *run) settle(ctx workflow.Context, kind freight.ExceptionKind, ref, reason string) {
	if ended := r.s.Exceptions.Settle(kind, ref, reason, workflow.Now(ctx)); len(ended) > 0 {
		r.note(ctx, freight.AuditResolved, waybill, string(kind)+": "+reason, ended...)
		r.s.SayEnded(ended...)
		r.urgent = true
	}
}
