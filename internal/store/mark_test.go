package store_test

import (
	"sync"
	"testing"
	"time"

	"waybill/internal/store"
	"waybill/internal/store/storetest"
)

func TestMarkGrowsOnceATimeForAnyNumberOfWorkers(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db storetest.DB) {
		s, clock := open(t, db)
		want := func(n int64) {
			t.Helper()
			if m, err := s.Mark(t.Context()); err != nil || m.N != n {
				t.Errorf("mark %+v, %v, want %d", m, err, n)
			}
		}
		want(0)
		advance := func(every time.Duration) {
			t.Helper()
			var workers sync.WaitGroup
			for range 4 {
				workers.Go(func() {
					if err := s.Advance(t.Context(), every); err != nil {
						t.Error(err)
					}
				})
			}
			workers.Wait()
		}
		advance(time.Minute)
		want(1)
		clock.Pass(59 * time.Second)
		advance(time.Minute)
		want(1)
		clock.Pass(time.Second)
		advance(time.Minute)
		want(2)
	})
}

func TestRestoredStoreIsMarkedOverTemporalAndKeepsWhatIsMissing(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db storetest.DB) {
		s, _ := open(t, db)
		if err := s.Advance(t.Context(), time.Minute); err != nil {
			t.Fatal(err)
		}
		gap := store.Gap{From: noon.Add(-time.Hour), To: noon}
		for range 2 {
			if err := s.Restored(t.Context(), 7, gap); err != nil {
				t.Fatal(err)
			}
		}
		if err := s.Restored(t.Context(), 3, gap); err != nil {
			t.Fatal(err)
		}
		if m, err := s.Mark(t.Context()); err != nil || m.N != 8 {
			t.Errorf("mark %+v, %v, want 8: it never falls", m, err)
		}
		if gs, err := s.Gaps(t.Context()); err != nil || len(gs) != 2 || !gs[0].From.Equal(gap.From) || !gs[0].To.Equal(gap.To) {
			t.Errorf("gaps %+v, %v", gs, err)
		}
	})
}
