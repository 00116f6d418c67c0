package store

import (
	"cmp"
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strings"
	"time"

	"waybill/workflows/freight"
)

// Backlog is how much of a source no shipment took.
type Backlog struct {
	Source string
	Scans  int
	Newest int64     // sequence number: another one where something came in
	Oldest time.Time // when the first of them was read
}

// Backlogs are the sources of which something waits unmatched that was read before a time.
func (s *Store) Backlogs(ctx context.Context, before time.Time) ([]Backlog, error) {
	rows, err := s.read.QueryContext(ctx, `SELECT source, count(*), max(seq), min(at) FROM scans WHERE state = 'unmatched' AND at < $1 GROUP BY source ORDER BY source`, stamp(before))
	bs, err := all(rows, err, func(r *sql.Rows) (b Backlog, err error) {
		var at string
		err = r.Scan(&b.Source, &b.Scans, &b.Newest, &at)
		b.Oldest = unstamp(at)
		return b, err
	})
	return bs, wrap("unmatched sources", err)
}

// Discarded lists scans that a person said are of no shipment, oldest first, at most limit.
func (s *Store) Discarded(ctx context.Context, limit int) ([]Stray, error) {
	return s.strays(ctx, "discarded", limit)
}

// unmatchedRead bounds the scans that are looked at to find a source's oldest references.
const unmatchedRead = 1000

// UnmatchedOf is what a source waits with that was read before a time: how much, and the oldest references with the
// shipments that they may be of.
func (s *Store) UnmatchedOf(ctx context.Context, source string, before time.Time) (freight.Unmatched, error) {
	u := freight.Unmatched{Source: source, At: s.now()}
	var since string
	err := s.read.QueryRowContext(ctx, `SELECT count(*), coalesce(min(at), '') FROM scans WHERE state = 'unmatched' AND source = $1 AND at < $2`, source, stamp(before)).Scan(&u.Scans, &since)
	if err != nil || u.Scans == 0 {
		return u, wrap("unmatched of "+source, err)
	}
	u.Since = unstamp(since)
	rows, err := s.read.QueryContext(ctx, `SELECT seq, delivery, refs, scan, reason, at FROM scans WHERE state = 'unmatched' AND source = $1 AND at < $2 ORDER BY seq LIMIT $3`, source, stamp(before), unmatchedRead)
	waiting, err := all(rows, err, scanWaiting)
	if err != nil {
		return u, wrap("unmatched of "+source, err)
	}
	shown := group(waiting)
	u.More = len(waiting) < u.Scans || len(shown) > freight.UnmatchedShown
	shown = shown[:min(len(shown), freight.UnmatchedShown)]
	if err := s.suggest(ctx, shown); err != nil {
		return u, wrap("candidates", err)
	}
	for _, w := range shown {
		u.Waiting = append(u.Waiting, w.shown)
	}
	return u, nil
}

// waiting is an unmatched scan, or the first of those with the same reference.
type waiting struct {
	placement
	shown freight.UnmatchedRef
}

func scanWaiting(r *sql.Rows) (*waiting, error) {
	var w waiting
	var at, scan, refs string
	if err := r.Scan(&w.seq, &w.delivery, &refs, &scan, &w.why, &at); err != nil {
		return nil, err
	}
	if err := w.read(scan, refs); err != nil {
		return nil, err
	}
	w.shown = freight.UnmatchedRef{Reference: fmt.Sprintf("%s%d", underDelivery, w.delivery), Scans: 1, Milestone: w.scan.Milestone, OccurredAt: w.scan.OccurredAt, Since: unstamp(at), Why: w.why}
	if r, ok := w.mostTelling(); ok {
		w.shown.Reference, w.shown.Kind, w.shown.Carrier = r.Value, r.Kind, w.carrierOf(r)
	}
	return &w, nil
}

// underDelivery is what a person names scans by that came without a reference they could name, before the delivery's number.
const underDelivery = "delivery/"

// mostTelling is the reference that a person knows a scan by.
func (p *placement) mostTelling() (freight.Reference, bool) {
	for _, k := range telling() {
		if i := slices.IndexFunc(p.refs, func(r freight.Reference) bool { return r.Kind == k && freight.Nameable(r.Value) }); i >= 0 {
			return p.refs[i], true
		}
	}
	return freight.Reference{}, false
}

// group puts the scans of one reference behind its first.
func group(ws []*waiting) (firsts []*waiting) {
	by := map[string]*waiting{}
	for _, w := range ws {
		first, ok := by[w.shown.Reference]
		if !ok {
			by[w.shown.Reference] = w
			firsts = append(firsts, w)
			continue
		}
		first.shown.Scans++
		if w.shown.OccurredAt.Before(first.shown.OccurredAt) {
			first.shown.OccurredAt, first.shown.Milestone = w.shown.OccurredAt, w.shown.Milestone
		}
	}
	return firsts
}

// plainValue is a number in SQL as plainNumber makes it.
const plainValue = `ltrim(upper(replace(replace(replace(replace(value, ' ', ''), '-', ''), '.', ''), '/', '')), '0')`

// plainNumber is a number without what people and systems write into it at will.
func plainNumber(value string) string {
	return strings.TrimLeft(strings.ToUpper(strings.NewReplacer(" ", "", "-", "", ".", "", "/", "").Replace(value)), "0")
}

// likeness is a registration whose number is like one that was asked for.
type likeness struct {
	number
	registration
}

// suggest finds the shipments with numbers like those that scans wait under. They are for people: nothing is placed.
func (s *Store) suggest(ctx context.Context, ws []*waiting) error {
	var values []any
	for _, w := range ws {
		for _, r := range w.refs {
			if v := plainNumber(r.Value); v != "" && !slices.Contains(values, any(v)) {
				values = append(values, v)
			}
		}
	}
	by := map[string][]likeness{}
	for part := range slices.Chunk(values, scansAtOnce) {
		rows, err := s.read.QueryContext(ctx, `SELECT kind, value, carrier, shipment, since, until FROM refs WHERE `+plainValue+` IN (`+places(1, len(part), 1)+`) ORDER BY since DESC, shipment LIMIT 1000`, part...)
		if _, err = all(rows, err, func(r *sql.Rows) (l likeness, err error) {
			err = r.Scan(&l.kind, &l.value, &l.carrier, &l.shipment, &l.since, &l.until)
			by[plainNumber(l.value)] = append(by[plainNumber(l.value)], l)
			return l, err
		}); err != nil {
			return err
		}
	}
	for _, w := range ws {
		w.shown.Candidates = w.likely(by)
	}
	return nil
}

// likely are the shipments that a scan may be of, the likeliest first.
func (p *placement) likely(by map[string][]likeness) (cs []freight.Candidate) {
	type ranked struct {
		freight.Candidate
		rank int
	}
	var found []ranked
	for _, r := range p.refs {
		for _, l := range by[plainNumber(r.Value)] {
			rank, why := l.likeTo(r, string(p.carrierOf(r)), stamp(p.scan.OccurredAt))
			found = append(found, ranked{freight.Candidate{Shipment: freight.ShipmentID(l.shipment), Why: why}, rank})
		}
	}
	slices.SortStableFunc(found, func(a, b ranked) int { return cmp.Compare(a.rank, b.rank) })
	for _, f := range found {
		known := slices.ContainsFunc(cs, func(c freight.Candidate) bool { return c.Shipment == f.Shipment })
		if !known && len(cs) < freight.CandidatesShown {
			cs = append(cs, f.Candidate)
		}
	}
	return cs
}

// likeTo says in what a registration is like a reference of a scan that occurred at a time; a lower rank is liker.
func (l likeness) likeTo(r freight.Reference, carrier, at string) (rank int, why string) {
	day := func(stamp string) string { return unstamp(stamp).Format(time.DateOnly) }
	switch same := l.value == r.Value; {
	case same && l.kind == string(r.Kind) && l.carrier != "" && carrier != "" && l.carrier != carrier:
		return 1, fmt.Sprintf("has this %s, of carrier %s instead of %s", l.kind, l.carrier, carrier)
	case same && l.kind == string(r.Kind) && at > l.until:
		return 2, fmt.Sprintf("had this %s until %s", l.kind, day(l.until))
	case same && l.kind == string(r.Kind) && at < l.since:
		return 2, fmt.Sprintf("has this %s from %s on", l.kind, day(l.since))
	case same && l.kind == string(r.Kind):
		return 0, fmt.Sprintf("has this %s", l.kind)
	case same:
		return 3, fmt.Sprintf("has this number as its %s", l.kind)
	}
	return 4, fmt.Sprintf("has %s %s, written otherwise", l.kind, l.value)
}
