package store

import (
	"context"
	"database/sql"
	"math/rand/v2"
	"time"

	"github.com/gofrs/flock"
)

// queue is where the processes that write to one SQLite file wait: whoever is next holds the lock on a file beside it.
//
// SQLite gives the file to whoever asks while it is free, and lets the others sleep, up to 100 ms at a time. A process
// that writes one transaction after another asks again before a sleeper wakes: the bridge's slowest answers took
// seconds beside a busy relay. Whoever has written cannot be next here while another is, so that two take turns.
type queue struct{ next *flock.Flock }

// turnWithin bounds how long a process waits to be next. One that was stopped while it was next, or a file that cannot
// be locked, makes the others less fair to each other and no more.
const turnWithin = 200 * time.Millisecond

// start begins a transaction that writes, once nobody else does.
func (q queue) start(ctx context.Context, c *sql.Conn) (*sql.Tx, error) {
	defer q.wait(ctx)()
	began := time.Now()
	for {
		t, err := c.BeginTx(ctx, nil)
		if err == nil || !busySQLite(err) || time.Since(began) > persistence || !nap(ctx) {
			return t, err
		}
	}
}

// wait returns when this process is next, or has waited long enough; leave lets another be next.
func (q queue) wait(ctx context.Context) (leave func()) {
	began := time.Now()
	for {
		next, err := q.next.TryLock()
		if next {
			return func() { _ = q.next.Unlock() } // it is gone with the process at the latest
		}
		if err != nil || time.Since(began) > turnWithin || !nap(ctx) {
			return func() {}
		}
	}
}

// nap waits a little, less than the shortest transaction takes; false means that the context has ended.
func nap(ctx context.Context) bool {
	select {
	case <-ctx.Done():
		return false
	case <-time.After(100*time.Microsecond + rand.N(200*time.Microsecond)):
		return true
	}
}
