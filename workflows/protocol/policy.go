package protocol

import (
	"time"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"
)

// heartbeat is how long a worker may be silent about a running activity: the longest a hand-over to a fresh
// run waits for a call to stop.
const heartbeat = 30 * time.Second

// Policy is how long an activity may take and how it is tried again. None has a last attempt: a system that
// is down comes back, and waiting is what the workflow is for. What no retry can mend comes back as a
// non-retryable fault and parks the shipment.
type Policy struct {
	Attempt time.Duration // one attempt; Odoo's own retries may take 30 s, its limit is 120 s
	First   time.Duration // before the second attempt; doubles from there
	Longest time.Duration // between attempts
}

var (
	// showing is for status and reports: soon, often, cheap.
	showing = Policy{Attempt: 45 * time.Second, First: time.Second, Longest: 30 * time.Second}
	// asking is for a partner's answer that the shipment waits for.
	asking = Policy{Attempt: 30 * time.Second, First: time.Second, Longest: 30 * time.Second}
	// money is for what is posted; longer than Odoo's own limit of 120 s, so that an attempt is not given up
	// while the server still works on it.
	money = Policy{Attempt: 150 * time.Second, First: time.Second, Longest: time.Minute}
)

func (p Policy) options() workflow.ActivityOptions {
	return workflow.ActivityOptions{
		StartToCloseTimeout: p.Attempt,
		HeartbeatTimeout:    heartbeat,
		WaitForCancellation: true, // a fresh run sends the call again only after the old one has stopped
		RetryPolicy:         &temporal.RetryPolicy{InitialInterval: p.First, BackoffCoefficient: 2, MaximumInterval: p.Longest},
	}
}
