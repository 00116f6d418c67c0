package main

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"waybill/internal/console"
	"waybill/internal/console/consoletest"
	"waybill/internal/store"
	"waybill/starters/bridge/connectors"
	"waybill/starters/waybill/cli"
	"waybill/workflows/freight"
)

// TestOperationsSayWhoseAnUnmatchedEventIs runs the waybill command against a worker, a Temporal and a store, twice at
// once: the event reaches its shipment, once.
func TestOperationsSayWhoseAnUnmatchedEventIs(t *testing.T) {
	w := newWorld(t)
	var s *store.Store
	w.serveHouse(func(h *house) {
		s, h.config.Relay.UnmatchedAfter, h.keeper.Grace = h.store, time.Second, time.Second
	})
	id := w.release("ACME")
	for i, number := range []string{"WRONG-1", "WRONG-2"} {
		w.comes(s, fmt.Sprint(i), number)
	}
	w.listed([]freight.ShipmentID{"unmatched/tms"}, "exception", "list", "--kind", "unmatched")
	w.listed([]freight.ShipmentID{"unmatched/tms"}, "exception", "list")
	w.until("both are shown", func() bool {
		u := consoletest.FromJSON[freight.Unmatched](w.t, w.want(console.Done, "", "", "--json", "exception", "show", "unmatched/tms"))
		return u.Scans == 2 && len(u.Waiting) == 2
	}, func() string { return "" })
	w.want(console.Failed, "", "refused: there is no shipment acme-99999", "exception", "assign", "tms", "WRONG-1", "acme-99999", "--reason", "r")
	w.want(console.Failed, "", "refused: nothing of source tms waits under WRONG-3", "exception", "discard", "tms", "WRONG-3", "--reason", "r")

	var both sync.WaitGroup
	outs := make([]string, 2)
	for i := range outs {
		both.Go(func() {
			p := consoletest.Program{Command: cli.Command}
			_, outs[i], _ = p.Run(t, "exception", "assign", "tms", "WRONG-1", string(id), "--reason", "asked the carrier", "--by", fmt.Sprintf("olga%d", i))
		})
	}
	both.Wait()
	if all := strings.Join(outs, ""); strings.Count(all, "assign: WRONG-1 of tms to "+string(id)+", scans: 1") != 1 || strings.Count(all, "it was done before: assigned to "+string(id)+" by olga") != 1 {
		t.Errorf("printed %q", outs)
	}
	w.state(w.temporal, id, "assigned", func(s freight.Shipment) bool { return s.HighWater == 1 })
	w.want(console.Done, "discard: WRONG-2 of tms, scans: 1", "", "exception", "discard", "tms", "WRONG-2", "--reason", "not ours", "--by", "olga")
	w.listed(nil, "exception", "list", "--kind", "unmatched")
	w.want(console.Failed, "", "refused: nothing of source tms waits under WRONG-2 any more: discarded by olga", "exception", "assign", "tms", "WRONG-2", string(id), "--reason", "r")
	w.comes(s, "3", "WRONG-1") // it is the shipment's now
	w.state(w.temporal, id, "told", func(s freight.Shipment) bool { return s.HighWater == 2 })
	es, err := s.Audit(t.Context(), store.TrailOf("tms"))
	if err != nil || len(es) != 2 || es[1].Actor != "olga" || es[1].Kind != freight.AuditDiscarded {
		t.Errorf("%+v, %v", es, err)
	}
}

// comes puts an event of source tms into the inbox, as the bridge does.
func (w *world) comes(s *store.Store, id, bol string) {
	w.t.Helper()
	body := fmt.Sprintf(`{"specversion":"1.0","id":%[1]q,"source":"tms","type":%[2]q,"data":{"milestone":"unclassified","occurredAt":%[3]q,"rawCode":%[1]q,"references":[{"kind":"bol","value":%[4]q}]}}`,
		id, connectors.MilestoneType, time.Now().UTC().Format(time.RFC3339), bol)
	if _, err := s.Accept(w.t.Context(), store.Delivery{Source: "tms", ID: id, Body: []byte(body), ReceivedAt: time.Now(), State: store.Pending}); err != nil {
		w.t.Fatal(err)
	}
}
