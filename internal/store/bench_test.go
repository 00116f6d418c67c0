package store_test

import (
	"fmt"
	"strings"
	"sync/atomic"
	"testing"

	"waybill/internal/store/storetest"
)

// BenchmarkAccept measures how many deliveries of 600 bytes are on disk in a second, by the number of senders that
// wait for an answer.
func BenchmarkAccept(b *testing.B) {
	body := strings.Repeat("x", 600)
	for name, make := range map[string]func(testing.TB) storetest.DB{"sqlite": storetest.SQLite, "postgres": storetest.Postgres} {
		for _, callers := range []int{1, 16, 64} {
			b.Run(fmt.Sprintf("%s/callers=%d", name, callers), func(b *testing.B) {
				s := make(b).Open(b)
				var next atomic.Int64
				b.ResetTimer()
				together(callers, func(int) {
					for n := next.Add(1); n <= int64(b.N); n = next.Add(1) {
						if _, err := s.Accept(b.Context(), delivery(fmt.Sprintf("msg_%d", n), body)); err != nil {
							b.Error(err)
							return
						}
					}
				})
				b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "deliveries/s")
			})
		}
	}
}
