package store_test

import (
	"errors"
	"fmt"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"waybill/internal/store"
	"waybill/internal/store/storetest"
)

type spentFunc = func(kind, prefix string, since time.Time) ([]string, error)

func TestNameIsDecidedOnceFromFiftyCallers(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db storetest.DB) {
		one, _ := open(t, db)
		two, _ := open(t, db)
		var decided atomic.Int64
		var mu sync.Mutex
		answers := map[string]int{}
		together(50, func(i int) {
			me := fmt.Sprint("caller ", i)
			owner, result, err := []*store.Store{one, two}[i%2].UseOnce(t.Context(), "decision", "ann|n1", me, func(spentFunc) (string, bool, error) {
				decided.Add(1)
				return "result of " + me, true, nil
			})
			if err != nil || result != "result of "+owner {
				t.Errorf("%s: %s, %s, %v", me, owner, result, err)
			}
			mu.Lock()
			defer mu.Unlock()
			answers[result]++
		})
		if decided.Load() != 1 || len(answers) != 1 {
			t.Errorf("decided %d times, answers %v", decided.Load(), answers)
		}
	})
}

// Each approval fits the limit alone; of all that come at once only as many pass as fit it together.
func TestWhatAddsUpIsHeldUnderConcurrency(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db storetest.DB) {
		one, _ := open(t, db)
		two, _ := open(t, db)
		const amount, limit = 60, 150
		var passed atomic.Int64
		together(20, func(i int) {
			name := fmt.Sprintf("ann|n%d", i)
			_, _, err := []*store.Store{one, two}[i%2].UseOnce(t.Context(), "decision", name, "dispute", func(spent spentFunc) (string, bool, error) {
				earlier, err := spent("decision", "ann|", noon.AddDate(0, 0, -30))
				total := amount
				for _, e := range earlier {
					n, _ := strconv.Atoi(e)
					total += n
				}
				if err != nil || total > limit {
					return "", false, err
				}
				passed.Add(1)
				return strconv.Itoa(amount), true, nil
			})
			if err != nil {
				t.Error(err)
			}
		})
		if passed.Load() != limit/amount {
			t.Errorf("%d passed, want %d", passed.Load(), limit/amount)
		}
	})
}

func TestWhatIsNotKeptMayBeDecidedAnew(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db storetest.DB) {
		s, clock := open(t, db)
		use := func(name, result string, keep bool, err error) (string, error) {
			_, r, e := s.UseOnce(t.Context(), "decision", name, "d", func(spentFunc) (string, bool, error) { return result, keep, err })
			return r, e
		}
		broken := errors.New("broken")
		if _, err := use("ann|1", "", false, broken); !errors.Is(err, broken) {
			t.Errorf("got %v", err)
		}
		for _, keep := range []bool{false, true} {
			if r, err := use("ann|1", fmt.Sprint("kept ", keep), keep, nil); err != nil || r != fmt.Sprint("kept ", keep) {
				t.Errorf("got %s, %v", r, err)
			}
		}
		if r, err := use("ann|1", "other", true, nil); err != nil || r != "kept true" {
			t.Errorf("got %s, %v", r, err)
		}
		for _, name := range []string{"anna|1", "ann%|1", "Ann|1", "bob|ann|"} {
			if _, err := use(name, "of another", true, nil); err != nil {
				t.Fatal(err)
			}
		}
		clock.Pass(31 * 24 * time.Hour)
		if _, err := use("ann|2", "newer", true, nil); err != nil {
			t.Fatal(err)
		}
		for since, want := range map[time.Duration]int{24 * time.Hour: 1, 32 * 24 * time.Hour: 2} {
			_, _, err := s.UseOnce(t.Context(), "decision", fmt.Sprint("look ", since), "d", func(spent spentFunc) (string, bool, error) {
				got, err := spent("decision", "ann|", clock.Now().Add(-since))
				if len(got) != want {
					t.Errorf("since %s: %v", since, got)
				}
				return "", false, err
			})
			if err != nil {
				t.Error(err)
			}
		}
	})
}
