package store

import (
	"cmp"
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"encoding/json"
	"errors"
	"slices"
	"sync"
	"time"
)

// ErrConflict means that an id came again with another body: a fault of the sender's, or a forgery.
var ErrConflict = errors.New("this id was received before with another body")

// Accept commits a delivery. The same one again is reported as a repeat; nil means it is on disk. Deliveries that
// come while others are being committed share the next transaction. After an error other than ErrConflict the
// delivery may be in or not: the same again finds out.
func (s *Store) Accept(ctx context.Context, d Delivery) (repeat bool, err error) {
	a, err := arrivalOf(d)
	if err != nil {
		return false, wrap("accept", err)
	}
	s.inbox.add(a)
	slots := s.inbox.slots
	for {
		select {
		case <-a.done:
			return a.repeat, a.err
		case <-ctx.Done():
			s.inbox.withdraw(a)
			return false, wrap("accept", ctx.Err())
		case slots <- struct{}{}:
			go s.lead(ctx, a) // a group may take longer than this caller will wait
			slots = nil       // it is in this group or in another's: only the answer is left to wait for
		}
	}
}

// arrival is a delivery on its way into the inbox.
type arrival struct {
	Delivery
	hash, headers string

	done   chan struct{} // closed when the rest says what became of it
	repeat bool
	err    error
}

func arrivalOf(d Delivery) (*arrival, error) {
	headers, err := json.Marshal(d.Headers)
	if err != nil {
		return nil, err
	}
	d.State, d.Reason = cmp.Or(d.State, Pending), plain(d.Reason)
	d.Body = append([]byte{}, d.Body...) // a nil body is an empty one
	sum := sha256.Sum256(d.Body)
	return &arrival{Delivery: d, hash: hex.EncodeToString(sum[:]), headers: string(headers), done: make(chan struct{}), err: errUnanswered}, nil
}

var errUnanswered = errors.New("store: accept: the commit was interrupted")

// key is what makes a delivery the same.
type key struct{ source, id string }

func (a *arrival) key() key { return key{a.Source, a.ID} }

// gate is where deliveries wait for the next group.
type gate struct {
	slots   chan struct{} // one in it for each group being committed
	mu      sync.Mutex
	waiting []*arrival
}

func (g *gate) add(a *arrival) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.waiting = append(g.waiting, a)
}

// withdraw forgets a delivery whose sender has gone, unless its group is already being committed.
func (g *gate) withdraw(a *arrival) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.waiting = slices.DeleteFunc(g.waiting, func(w *arrival) bool { return w == a })
}

// A group is at most so many deliveries, and so many bytes unless the first alone has more.
const (
	groupSize  = 128
	groupBytes = 8 << 20
)

// take takes the next group, if a still waits for one. Where not all fit, the first of each source come before the
// second of any: one that sends much waits for itself, and the others do not wait for it.
func (g *gate) take(a *arrival) []*arrival {
	g.mu.Lock()
	defer g.mu.Unlock()
	if !slices.Contains(g.waiting, a) {
		return nil
	}
	if len(g.waiting) > groupSize {
		g.waiting = inTurn(g.waiting)
	}
	n, bytes := 0, 0
	for n < min(groupSize, len(g.waiting)) {
		if bytes += len(g.waiting[n].Body); n > 0 && bytes > groupBytes {
			break
		}
		n++
	}
	group := slices.Clone(g.waiting[:n])
	g.waiting = slices.Delete(g.waiting, 0, n)
	return group
}

// inTurn puts the first arrival of each source before the second of any, and so on.
func inTurn(as []*arrival) []*arrival {
	before, place := map[string]int{}, make(map[*arrival]int, len(as))
	for _, a := range as {
		place[a] = before[a.Source]
		before[a.Source]++
	}
	slices.SortStableFunc(as, func(a, b *arrival) int { return cmp.Compare(place[a], place[b]) })
	return as
}

// groupSpan bounds the commit of a group.
const groupSpan = 10 * time.Second

// lead commits the next groups on behalf of all in them, until a is in none that waits. That the leader's own sender
// goes away must not fail the others.
func (s *Store) lead(ctx context.Context, a *arrival) {
	defer func() { <-s.inbox.slots }()
	for group := s.inbox.take(a); len(group) > 0; group = s.inbox.take(a) {
		s.answer(context.WithoutCancel(ctx), group)
	}
}

// answer commits a group, and tells each what became of it, whatever happens.
func (s *Store) answer(ctx context.Context, group []*arrival) {
	defer func() {
		for _, a := range group {
			close(a.done)
		}
	}()
	ctx, cancel := context.WithTimeout(ctx, groupSpan)
	defer cancel()
	s.commit(ctx, group)
}

// commit answers a group. If the database refuses one of them, each is committed alone, so that no other suffers.
func (s *Store) commit(ctx context.Context, group []*arrival) {
	slices.SortStableFunc(group, func(a, b *arrival) int { return cmp.Or(cmp.Compare(a.Source, b.Source), cmp.Compare(a.ID, b.ID)) }) // two groups wait for each other in one order
	var known map[key]string
	var fresh map[key]bool
	err := s.tx(ctx, "accept", func(t *sql.Tx) (err error) {
		if fresh, err = insertNew(ctx, t, group); err == nil {
			known, err = hashes(ctx, t, group, fresh)
		}
		return err
	})
	if errors.Is(err, ErrRefused) && len(group) > 1 {
		for _, a := range group {
			s.commit(ctx, []*arrival{a})
		}
		return
	}
	for _, a := range group {
		switch k := a.key(); {
		case err != nil:
			a.err = err
		case fresh[k]:
			a.err, fresh[k], known[k] = nil, false, a.hash // the next of the group under this id came again
		case known[k] == a.hash:
			a.err, a.repeat = nil, true
		default:
			a.err = wrap("accept", ErrConflict)
		}
	}
}

// insertNew files the first of each id that is not in the inbox, and says which those were.
func insertNew(ctx context.Context, t *sql.Tx, group []*arrival) (map[key]bool, error) {
	const columns = 9
	seen := map[key]bool{}
	var args []any
	for _, a := range group {
		if !seen[a.key()] {
			seen[a.key()] = true
			args = append(args, a.Source, a.ID, a.Body, a.hash, a.headers, a.VerifiedBy, stamp(a.ReceivedAt), string(a.State), a.Reason)
		}
	}
	rows, err := t.QueryContext(ctx, `INSERT INTO inbox (source, delivery_id, body, body_sha256, headers, verified_by, received_at, state, reason)
		VALUES `+places(1, len(seen), columns)+` ON CONFLICT (source, delivery_id) DO NOTHING RETURNING source, delivery_id`, args...)
	fresh := map[key]bool{}
	_, err = all(rows, err, func(r *sql.Rows) (k key, err error) {
		err = r.Scan(&k.source, &k.id)
		fresh[k] = true
		return k, err
	})
	return fresh, err
}

// hashes reads the bodies' hashes under the ids that were in the inbox before.
func hashes(ctx context.Context, t *sql.Tx, group []*arrival, fresh map[key]bool) (map[key]string, error) {
	known := map[key]string{}
	var args []any
	for _, a := range group {
		if k := a.key(); !fresh[k] {
			args = append(args, k.source, k.id)
		}
	}
	if len(args) == 0 {
		return known, nil
	}
	rows, err := t.QueryContext(ctx, `SELECT source, delivery_id, body_sha256 FROM inbox WHERE (source, delivery_id) IN (VALUES `+places(1, len(args)/2, 2)+`)`, args...)
	_, err = all(rows, err, func(r *sql.Rows) (k key, err error) {
		var hash string
		err = r.Scan(&k.source, &k.id, &hash)
		known[k] = hash
		return k, err
	})
	return known, err
}
