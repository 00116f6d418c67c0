package shipment

import (
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"waybill/workflows/freight"
	"waybill/workflows/protocol"
)

// call is a call to the outside that has no answer yet.
type call struct {
	key  string
	stop workflow.CancelFunc
}

// start sends a call and lets the inbox hand its answer to then. Its key is an intent until it is answered.
func start[In, Out any](ctx workflow.Context, r *run, a protocol.Activity[In, Out], key, summary string, in In, then func(Out, error)) {
	cctx, stop := workflow.WithCancel(ctx)
	c := &call{key: key, stop: stop}
	r.calls = append(r.calls, c)
	r.s.Intend(key, a.Name, workflow.Now(ctx))
	r.inbox.AddFuture(a.Start(cctx, in, summary), func(f workflow.Future) {
		var out Out
		err := f.Get(ctx, &out)
		r.forget(c)
		if r.leaving && temporal.IsCanceledError(err) {
			return // the next run asks again
		}
		r.s.Answered(key)
		then(out, err)
	})
}

func (r *run) forget(c *call) {
	for i := range r.calls {
		if r.calls[i] == c {
			r.calls = append(r.calls[:i], r.calls[i+1:]...)
			return
		}
	}
}

func (r *run) stopCalls() {
	for _, c := range r.calls {
		c.stop()
	}
}

// ask sends a call and waits for its answer, reading messages meanwhile: a partner that is down stops this
// step, never the status.
func ask[In, Out any](ctx workflow.Context, r *run, a protocol.Activity[In, Out], key, summary string, in In) (out Out, err error) {
	if r.calledOff() {
		return out, errCancelled
	}
	answered := false
	r.steps++
	start(ctx, r, a, key, summary, in, func(o Out, e error) { out, err, answered = o, e, true })
	waited := r.await(ctx, func() bool { return answered })
	r.steps--
	if waited != nil {
		return out, waited
	}
	return out, err
}

// insist asks until there is an answer: a refusal parks the shipment, and a person who has mended the cause
// lets it ask again. The input is made anew each time.
func insist[In, Out any](ctx workflow.Context, r *run, a protocol.Activity[In, Out], kind freight.ExceptionKind, key, summary string, in func() In) (Out, error) {
	for {
		out, err := ask(ctx, r, a, key, summary, in())
		if err == nil || protocol.Ends(err) || isControl(err) {
			return out, err
		}
		if err := r.park(ctx, kind, key, protocol.Words(err), nil); err != nil {
			return out, err
		}
	}
}

// isControl reports whether err steers the story rather than reporting a failed call.
func isControl(err error) bool {
	return err == errCancelled || err == errRevalidate || workflow.IsContinueAsNewError(err)
}

// park opens an exception and waits until a person resolves it or its cause goes by itself. An action that
// cancels the shipment comes back as errCancelled.
func (r *run) park(ctx workflow.Context, kind freight.ExceptionKind, ref, detail string, gone func() bool) error {
	id := r.raise(ctx, kind, ref, detail)
	resolved := func() bool { e, _ := r.s.Exceptions.ByID(id); return !e.Open() }
	if err := r.await(ctx, func() bool { return resolved() || gone != nil && gone() }); err != nil {
		return err
	}
	if !resolved() {
		r.settleException(ctx, kind, ref, "the cause has gone")
	}
	return nil
}

func (r *run) raise(ctx workflow.Context, kind freight.ExceptionKind, ref, detail string) (id int) {
	known := len(r.s.Exceptions)
	i := r.s.Exceptions.Raise(kind, ref, r.s.Stage, detail, workflow.Now(ctx))
	if len(r.s.Exceptions) > known {
		r.note(ctx, freight.AuditException, waybill, string(kind)+" "+ref+": "+detail)
		r.urgent = true
	}
	return r.s.Exceptions[i].ID
}

func (r *run) settleException(ctx workflow.Context, kind freight.ExceptionKind, ref, reason string) {
	if r.s.Exceptions.Settle(kind, ref, reason, workflow.Now(ctx)) {
		r.note(ctx, freight.AuditResolved, waybill, string(kind)+": "+reason)
		r.urgent = true
	}
}
