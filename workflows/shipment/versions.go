package shipment

import "go.temporal.io/sdk/workflow"

// judgesEvents reports whether troubles and contradictions are found by the freight's events, each under its own kind,
// and end with the event that cures them. It is asked only where there is one: a shipment that goes well pays nothing.
// Runs that had one before this was so go on as they did.
func judgesEvents(ctx workflow.Context) bool {
	return workflow.GetVersion(ctx, "judge-events", workflow.DefaultVersion, 1) >= 1
}

// notesAlone reports whether notes for the order's chatter are written also where no status is due: an exception that is
// not the one shown, or that came and went while a status was written. It is asked only where there is such a note. Runs
// that had one before this was so leave it to their next status.
func notesAlone(ctx workflow.Context) bool {
	return workflow.GetVersion(ctx, "notes-alone", workflow.DefaultVersion, 1) >= 1
}

// asksWarehouse reports whether the warehouse is asked that the route names. It is asked only where one is named: a shipment
// without pays nothing. A worker of the release before, which knows no warehouse, may have carried a shipment past this
// while both releases ran: that one goes on as it did.
func asksWarehouse(ctx workflow.Context) bool {
	return workflow.GetVersion(ctx, "ask-warehouse", workflow.DefaultVersion, 1) >= 1
}

// countsNumbers reports whether the parcels that have a tracking number of their own stand for the pieces that were released.
// It is asked only where a scan says how many have one. Runs that had such a scan before this was so count as they did.
func countsNumbers(ctx workflow.Context) bool {
	return workflow.GetVersion(ctx, "count-numbers", workflow.DefaultVersion, 1) >= 1
}

// acceptance reports whether the tender has been accepted, for one who waits for that after a decline. It is asked only
// after a decline. Runs that were declined before this was so wait for a person, as they did.
func (r *run) acceptance(ctx workflow.Context) func() bool {
	if workflow.GetVersion(ctx, "heed-acceptance", workflow.DefaultVersion, 1) == workflow.DefaultVersion {
		return func() bool { return false }
	}
	return func() bool { return r.s.Journey.Accepted() }
}

// tellsDoubt reports whether a promise is said to be unknown where nothing says when the freight will come, on the order and
// in the search of shipments. It is asked only then. Runs that were so before go on as they did: on time until the buffer.
func tellsDoubt(ctx workflow.Context) bool {
	return workflow.GetVersion(ctx, "tell-doubt", workflow.DefaultVersion, 1) >= 1
}

// chasesNumbers reports whether a number of the carrier's is looked for where freight was accepted without one. It is asked
// only then, and where the policy has a clock for it: a shipment that is booked with its numbers pays nothing. Runs that
// were accepted before this was so, as one of the release before may have carried them while both ran, go on as they did.
func chasesNumbers(ctx workflow.Context) bool {
	return workflow.GetVersion(ctx, "chase-numbers", workflow.DefaultVersion, 1) >= 1
}
