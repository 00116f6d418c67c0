package main

import (
	"context"
	"time"

	"waybill/internal/sabotage"
	"waybill/internal/store"
	"waybill/starters/bridge"
)

// hasty answers before it commits. It is in no build but the one that the proof under faults must find out.
type hasty struct{ bridge.Inbox }

// hastyPause is how long it puts the commit off, as an inbox in memory would.
const hastyPause = 300 * time.Millisecond

// Accept says yes at once.
func (h hasty) Accept(ctx context.Context, d store.Delivery) (bool, error) {
	time.AfterFunc(hastyPause, func() { _, _ = h.Inbox.Accept(context.WithoutCancel(ctx), d) }) // nobody hears of it: that is what is wrong
	return false, nil
}

// inboxOf is the inbox as the bridge uses it.
func inboxOf(in bridge.Inbox) bridge.Inbox {
	if sabotage.Ack {
		return hasty{in}
	}
	return in
}
