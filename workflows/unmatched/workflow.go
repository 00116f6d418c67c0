// Package unmatched shows people what no shipment took of one source, and carries out what they say about it.
package unmatched

import (
	"slices"
	"time"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"waybill/workflows/freight"
	"waybill/workflows/protocol"
)

// Workflow shows what waits of a source until nothing does any more, or it is cancelled: what waits stays in the store,
// and the next look there starts it again.
func Workflow(ctx workflow.Context, in protocol.UnmatchedInput) (freight.Unmatched, error) {
	r, ctx, err := begin(ctx, in)
	if err != nil {
		return freight.Unmatched{}, err
	}
	err = r.serve(ctx)
	workflow.SetCurrentDetails(ctx, Details(r.u))
	return *r.u, err
}

// run is one run of the story; u outlives it.
type run struct {
	u         *freight.Unmatched
	inbox     workflow.Selector
	waiting   []freight.PlaceRequest // read, not yet answered, in their order
	stale     bool                   // the store may say something else now
	stop      workflow.CancelFunc    // of the call that is out; nil for none
	cancelled bool
	read      int // messages in this run
}

func begin(ctx workflow.Context, in protocol.UnmatchedInput) (*run, workflow.Context, error) {
	r := &run{u: in.Resume, waiting: in.Waiting, stale: true, inbox: workflow.NewNamedSelector(ctx, "inbox")}
	if r.u == nil {
		r.u = &freight.Unmatched{Source: in.Source}
	}
	own, _ := workflow.NewDisconnectedContext(ctx) // what was asked is answered, whatever is cancelled
	protocol.OnCancel(ctx, r.inbox, func() { r.cancelled = true })
	bad := func(err error) {
		r.read++
		r.u.Answer(freight.PlaceReply{Refusal: freight.Clip(err.Error()+": use waybill exception assign or discard", longestRefusal), At: workflow.Now(own)})
	}
	protocol.PlaceAsked.On(own, r.inbox, func(q freight.PlaceRequest) { r.hear(own, q) }, bad)
	protocol.UnmatchedSeen.On(own, r.inbox, func(protocol.UnmatchedNotice) { r.read, r.stale = r.read+1, true }, bad)
	r.watchClock(own)
	return r, own, protocol.UnmatchedState.Answer(ctx, func() (freight.Unmatched, error) { return *r.u, nil })
}

const (
	// lookEvery is how soon it is noticed that what waited was taken by itself, where no notice says so.
	lookEvery = 30 * time.Minute
	// longestRefusal is in bytes.
	longestRefusal = 500
	// waitingKept bounds the requests that wait for one that is carried out: more come only where the store is down.
	waitingKept = 20
	// messagesPerRun bounds what one run reads, each message of which costs a call.
	messagesPerRun = 200
)

// watchClock looks again when it has been quiet.
func (r *run) watchClock(ctx workflow.Context) {
	t := workflow.NewTimerWithOptions(ctx, lookEvery, workflow.TimerOptions{Summary: "look whether it still waits"})
	r.inbox.AddFuture(t, func(workflow.Future) {
		r.read, r.stale = r.read+1, true
		r.watchClock(ctx)
	})
}

// hear takes a request. The same one again gets the one reply.
func (r *run) hear(ctx workflow.Context, q freight.PlaceRequest) {
	r.read++
	switch {
	case slices.ContainsFunc(r.waiting, func(w freight.PlaceRequest) bool { return w.ID == q.ID }):
	case q.Source != r.u.Source:
		r.refuse(ctx, q, "this is source "+r.u.Source+": ask for that one")
	case len(r.waiting) >= waitingKept:
		r.refuse(ctx, q, "too many requests wait for the store: ask again when those are answered")
	default:
		r.waiting = append(r.waiting, q)
	}
}

func (r *run) refuse(ctx workflow.Context, q freight.PlaceRequest, why string) {
	r.u.Answer(freight.PlaceReply{ID: q.ID, Refusal: freight.Clip(why, longestRefusal), At: workflow.Now(ctx)})
}

// serve reads the inbox until nothing waits.
func (r *run) serve(ctx workflow.Context) error {
	for !r.cancelled {
		switch {
		case r.inbox.HasPending():
		case r.over():
			return nil
		case workflow.GetInfo(ctx).GetContinueAsNewSuggested() || r.read >= messagesPerRun:
			return r.handOver(ctx)
		default:
			r.call(ctx)
			workflow.SetCurrentDetails(ctx, Details(r.u))
		}
		r.inbox.Select(ctx)
	}
	return r.end(ctx)
}

// end answers those who still wait; what waits stays in the store.
func (r *run) end(ctx workflow.Context) error {
	r.settle(ctx)
	for _, q := range r.waiting {
		r.refuse(ctx, q, "this was cancelled in Temporal before it was carried out: ask again")
	}
	r.waiting = nil
	return temporal.NewCanceledError("what waits stays in the store")
}

// over reports whether nobody and nothing waits any more.
func (r *run) over() bool {
	return r.u.Done() && !r.stale && r.stop == nil && len(r.waiting) == 0
}

// handOver lets a fresh run go on. What is being asked is asked again by that one, under the same id.
func (r *run) handOver(ctx workflow.Context) error {
	r.settle(ctx)
	if r.cancelled {
		return r.end(ctx)
	}
	return workflow.NewContinueAsNewError(ctx, protocol.Unmatched.Name, protocol.UnmatchedInput{Source: r.u.Source, Resume: r.u, Waiting: r.waiting})
}

// settle stops the call that is out, and reads what has come.
func (r *run) settle(ctx workflow.Context) {
	if r.stop != nil {
		r.stop()
	}
	for r.stop != nil || r.inbox.HasPending() {
		r.inbox.Select(ctx)
	}
}

// call carries out the oldest request, or asks what waits now: one at a time.
func (r *run) call(ctx workflow.Context) {
	switch {
	case r.stop != nil:
	case len(r.waiting) > 0:
		q := r.waiting[0]
		r.out(ctx, func(ctx workflow.Context) workflow.Future {
			return protocol.PlaceUnmatched.Start(ctx, q, string(q.Action)+" "+q.Reference+" by "+q.By)
		}, func(f workflow.Future) { r.placed(ctx, q, f) })
	case r.stale:
		r.out(ctx, func(ctx workflow.Context) workflow.Future {
			return protocol.ReadUnmatched.Start(ctx, protocol.UnmatchedRequest{Source: r.u.Source}, "what waits now")
		}, func(f workflow.Future) { r.looked(ctx, f) })
	}
}

// out starts a call and takes its answer, unless it was stopped: the next run asks again then.
func (r *run) out(ctx workflow.Context, start func(workflow.Context) workflow.Future, take func(workflow.Future)) {
	cctx, stop := workflow.WithCancel(ctx)
	r.stop = stop
	r.inbox.AddFuture(start(cctx), func(f workflow.Future) {
		r.stop = nil
		if !temporal.IsCanceledError(f.Get(ctx, nil)) {
			take(f)
		}
	})
}

// placed takes the answer to a request.
func (r *run) placed(ctx workflow.Context, q freight.PlaceRequest, f workflow.Future) {
	r.waiting = r.waiting[1:]
	var p protocol.Placed
	if err := f.Get(ctx, &p); err != nil {
		r.refuse(ctx, q, "it could not be carried out: "+protocol.Words(err))
		return
	}
	r.stale = false
	r.u.Update(p.Unmatched)
	r.u.Answer(p.Reply)
}

// looked takes what the store says. What it cannot say is asked again later.
func (r *run) looked(ctx workflow.Context, f workflow.Future) {
	r.stale = false
	var now freight.Unmatched
	if err := f.Get(ctx, &now); err == nil {
		r.u.Update(now)
	}
}
