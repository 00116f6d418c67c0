package relay

import (
	"cmp"
	"context"
	"fmt"
	"time"

	"waybill/internal/store"
)

// Backlogs names the sources of which no shipment took something within a grace period: how much, since when, whom to ask,
// and the commands; none for nothing.
func Backlogs(ctx context.Context, s *store.Store, grace time.Duration, ownerOf func(source string) (owner, contact string), now time.Time) (lacks []string) {
	bs, err := s.Backlogs(ctx, now.Add(-grace))
	if err != nil {
		return []string{fmt.Sprintf("what waits unmatched: %v", err)}
	}
	for _, b := range bs {
		owner, contact := ownerOf(b.Source)
		lacks = append(lacks, fmt.Sprintf("a shipment for what source %s tells: scans that wait unmatched: %d, the oldest since %s (%s): see waybill exception show unmatched/%[1]s, then waybill exception assign or discard; its owner is %[5]s, %[6]s",
			b.Source, b.Scans, b.Oldest.UTC().Format("2006-01-02 15:04 UTC"), now.Sub(b.Oldest).Round(time.Minute), cmp.Or(owner, "not configured"), cmp.Or(contact, "no contact configured")))
	}
	return lacks
}
