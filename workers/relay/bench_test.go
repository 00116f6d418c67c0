package relay_test

import (
	"fmt"
	"syscall"
	"testing"
	"time"

	"go.uber.org/zap"

	"waybill/internal/store"
	"waybill/internal/store/storetest"
	"waybill/starters/bridge/connectors"
	"waybill/workers/relay"
	"waybill/workflows/freight"
)

// BenchmarkRelay measures what it takes to bring 1,000 deliveries to 64 stories that answer at once, and the CPU of this
// process for it: what relay and bridge compete for.
func BenchmarkRelay(b *testing.B) {
	for name, open := range map[string]func(testing.TB) storetest.DB{"sqlite": storetest.SQLite, "postgres": storetest.Postgres} {
		b.Run(name, func(b *testing.B) {
			s, f := open(b).Open(b), &temporal{stories: map[string]*story{}}
			for n := range 64 {
				id := freight.ShipmentID(fmt.Sprint("acme-", n))
				f.start(id)
				if _, err := s.Record(b.Context(), store.Entry{View: freight.View{Shipment: id, Revision: 1}, References: []freight.Reference{{Kind: freight.RefBOL, Value: string(id)}}}); err != nil {
					b.Fatal(err)
				}
			}
			r := &relay.Relay{Store: s, Temporal: f, Holder: "r", Log: zap.NewNop(), Now: time.Now}
			var cpu time.Duration
			for b.Loop() {
				b.StopTimer()
				arrive(b, s, 1000)
				before := used(b)
				b.StartTimer()
				relayAll(b, r)
				cpu += used(b) - before
			}
			b.ReportMetric(float64(cpu.Milliseconds())/float64(b.N), "ms-CPU/1000")
		})
	}
}

func arrive(b *testing.B, s *store.Store, n int) {
	batch := time.Now().UnixNano()
	for i := range n {
		body := fmt.Sprintf(`{"specversion":"1.0","id":"x","source":"tms","type":%q,"data":{"milestone":"in_transit","occurredAt":"2026-11-24T12:00:00Z","rawCode":"%d-%d","references":[{"kind":"bol","value":"acme-%d"}]}}`,
			connectors.MilestoneType, batch, i, i%64)
		if _, err := s.Accept(b.Context(), store.Delivery{Source: "tms", ID: fmt.Sprintf("%d-%d", batch, i), Body: []byte(body), ReceivedAt: time.Now()}); err != nil {
			b.Fatal(err)
		}
	}
}

func relayAll(b *testing.B, r *relay.Relay) {
	for busy := true; busy; {
		var err error
		if busy, err = r.Once(b.Context()); err != nil {
			b.Fatal(err)
		}
	}
}

// used is the CPU this process has taken.
func used(b *testing.B) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
