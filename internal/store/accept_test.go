package store_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"waybill/internal/store"
	"waybill/internal/store/storetest"
)

func TestRepeatedDeliveryIsAnsweredAsRepeat(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db storetest.DB) {
		s, _ := open(t, db)
		for i, want := range []bool{false, true, true} {
			repeat, err := s.Accept(t.Context(), delivery("msg_1", "body"))
			if err != nil || repeat != want {
				t.Fatalf("time %d: repeat %t, %v", i+1, repeat, err)
			}
		}
		other := delivery("msg_1", "body")
		other.Source = "carrier"
		if repeat, err := s.Accept(t.Context(), other); err != nil || repeat {
			t.Errorf("the same id of another source: repeat %t, %v", repeat, err)
		}
	})
}

func TestSameIDWithAnotherBodyIsAConflictAndChangesNothing(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db storetest.DB) {
		s, _ := open(t, db)
		accept(t, s, delivery("msg_1", "100.00 USD"))
		if _, err := s.Accept(t.Context(), delivery("msg_1", "999.00 USD")); !errors.Is(err, store.ErrConflict) {
			t.Fatalf("got %v", err)
		}
		ds, err := s.Waiting(t.Context(), 10)
		if err != nil || len(ds) != 1 || string(ds[0].Body) != "100.00 USD" {
			t.Errorf("inbox has %+v, %v", ds, err)
		}
	})
}

func TestDeliveryIsKeptAsItCame(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db storetest.DB) {
		s, _ := open(t, db)
		d := delivery("msg_1", "\x00\xff bytes")
		d.State, d.Reason = store.Dead, "the body is not JSON"
		accept(t, s, d)
		accept(t, s, store.Delivery{Source: "odoo-hint", ID: "msg_2"})
		ds, err := s.Deliveries(t.Context(), store.Dead, "tms", 10)
		if err != nil || len(ds) != 1 {
			t.Fatalf("dead: %+v, %v", ds, err)
		}
		got, err := s.Delivery(t.Context(), ds[0].Seq)
		if err != nil || string(got.Body) != string(d.Body) || got.Headers["content-type"] != "application/json" || got.VerifiedBy != d.VerifiedBy || !got.ReceivedAt.Equal(noon) || got.Reason != d.Reason {
			t.Errorf("got %+v, %v", got, err)
		}
		if n, err := s.DeliveryCounts(t.Context()); err != nil || n[store.Dead] != 1 || n[store.Pending] != 1 {
			t.Errorf("counts %v, %v", n, err)
		}
	})
}

func TestOneIDFromFiftyCallersIsOneRow(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db storetest.DB) {
		one, _ := open(t, db)
		two, _ := open(t, db) // another process
		var first, repeats atomic.Int64
		together(50, func(i int) {
			repeat, err := []*store.Store{one, two}[i%2].Accept(t.Context(), delivery("msg_1", "body"))
			switch {
			case err != nil:
				t.Error(err)
			case repeat:
				repeats.Add(1)
			default:
				first.Add(1)
			}
		})
		if first.Load() != 1 || repeats.Load() != 49 {
			t.Errorf("%d were first, %d repeats", first.Load(), repeats.Load())
		}
		if ds, err := one.Waiting(t.Context(), 100); err != nil || len(ds) != 1 {
			t.Errorf("%d rows, %v", len(ds), err)
		}
	})
}

// Each of many callers at once gets the answer that is its own, whoever shares its transaction.
func TestCallersOfOneGroupGetTheirOwnAnswers(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db storetest.DB) {
		s, _ := open(t, db)
		accept(t, s, delivery("old", "body"))
		const each = 40
		var wrong atomic.Int64
		together(4*each, func(i int) {
			d, fails := delivery(fmt.Sprintf("new_%d", i), "body"), false
			switch i % 4 {
			case 1:
				d = delivery("old", "another body")
			case 2:
				d = delivery("old", "body")
			case 3:
				d.ID, fails = "bad\x00\xff", strings.HasPrefix(db.URL, "postgres") // SQLite takes any bytes
			}
			repeat, err := s.Accept(t.Context(), d)
			ok := map[int]bool{0: err == nil && !repeat, 1: errors.Is(err, store.ErrConflict), 2: err == nil && repeat, 3: fails == errors.Is(err, store.ErrRefused)}[i%4]
			if !ok {
				wrong.Add(1)
				t.Errorf("caller %d: repeat %t, %v", i, repeat, err)
			}
		})
		ds, err := s.Deliveries(t.Context(), store.Pending, "tms", 1000)
		if err != nil {
			t.Fatal(err)
		}
		if got := len(ds); got < 1+each || got > 2+each {
			t.Errorf("%d rows of %d", got, 1+each)
		}
	})
}

// A leader commits for others: that its own sender hangs up must not take their answers away.
func TestSenderThatHangsUpFailsNobodyElse(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db storetest.DB) {
		s, _ := open(t, db)
		for round := range 12 {
			hangUpWhileOthersWait(t, db, s, round)
		}
		ds, err := s.Waiting(t.Context(), 1000)
		if err != nil {
			t.Fatal(err)
		}
		staying := 0
		for _, d := range ds {
			if strings.HasPrefix(d.ID, "stays") {
				staying++
			}
		}
		if staying != 12*6 {
			t.Errorf("%d of %d acknowledged deliveries are there", staying, 12*6)
		}
	})
}

// hangUpWhileOthersWait lets a group gather, of which half the senders hang up while one of them has it committed.
func hangUpWhileOthersWait(t *testing.T, db storetest.DB, s *store.Store, round int) {
	t.Helper()
	release, unblock := s.Occupy(), block(t, db, "inbox")
	going, hangUp := context.WithCancel(t.Context())
	defer hangUp()
	var all sync.WaitGroup
	for i := range 12 {
		ctx, name := t.Context(), "stays"
		if i%2 == 0 {
			ctx, name = going, "goes"
		}
		all.Go(func() {
			if _, err := s.Accept(ctx, delivery(fmt.Sprintf("%s %d/%d", name, round, i), "body")); err != nil && name == "stays" {
				t.Error(err)
			}
		})
	}
	until(func() bool { _, waiting := s.Crowd(); return waiting == 12 })
	release()
	until(func() bool { leading, waiting := s.Crowd(); return leading == 1 && waiting == 0 })
	hangUp()
	unblock()
	all.Wait()
}

// until waits for a condition.
func until(ok func() bool) {
	for !ok() {
		runtime.Gosched()
	}
}

// block keeps everyone from writing to a table until it is called off.
func block(t *testing.T, db storetest.DB, table string) (unblock func()) {
	t.Helper()
	c, err := db.SQL(t).Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	run := func(statement string) {
		if _, err := c.ExecContext(t.Context(), statement); err != nil {
			t.Fatalf("%s: %v", statement, err)
		}
	}
	if strings.HasPrefix(db.URL, "sqlite") {
		run(`BEGIN IMMEDIATE`)
	} else {
		run(`BEGIN`)
		run(`LOCK TABLE ` + table + ` IN EXCLUSIVE MODE`)
	}
	return func() {
		run(`COMMIT`)
		_ = c.Close()
	}
}

// acceptorEnv makes the test binary a process that accepts until it is killed, and says what it has acknowledged.
const acceptorEnv = "WAYBILL_STORE_ACCEPTOR"

func TestMain(m *testing.M) {
	if url := os.Getenv(acceptorEnv); url != "" {
		fmt.Fprintln(os.Stderr, acceptForEver(context.Background(), url))
		os.Exit(1)
	}
	os.Exit(m.Run())
}

func acceptForEver(ctx context.Context, url string) error {
	s, err := store.Open(ctx, url)
	if err != nil {
		return err
	}
	failed := make(chan error)
	for caller := range 16 {
		go func() {
			for n := 0; ; n++ {
				id := fmt.Sprintf("msg_%d_%d", caller, n)
				if _, err := s.Accept(ctx, delivery(id, "body of "+id)); err != nil {
					failed <- err
					return
				}
				fmt.Println(id)
			}
		}()
	}
	return <-failed
}

func TestKilledProcessLosesNoAcknowledgedDelivery(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db storetest.DB) {
		s, _ := open(t, db)
		child := exec.CommandContext(t.Context(), os.Args[0])
		child.Env = append(os.Environ(), acceptorEnv+"="+db.URL)
		child.Stderr = os.Stderr
		out, err := child.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := child.Start(); err != nil {
			t.Fatal(err)
		}
		acked := map[string]bool{}
		for lines := bufio.NewScanner(out); lines.Scan(); {
			acked[lines.Text()] = true
			if len(acked) == 2000 {
				_ = child.Process.Kill() // kill -9, while others are being committed
			}
		}
		_ = child.Wait() // it was killed
		if len(acked) < 2000 {
			t.Fatalf("the process ended by itself after %d", len(acked))
		}
		ds, err := s.Waiting(t.Context(), 1_000_000)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range ds {
			if string(d.Body) != "body of "+d.ID {
				t.Errorf("%s has body %q", d.ID, d.Body)
			}
			delete(acked, d.ID)
		}
		if len(acked) > 0 {
			t.Errorf("%d acknowledged deliveries are lost", len(acked))
		}
	})
}
