package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"waybill/workflows/freight"
)

// Place carries out a person's answer to what waits under a reference of a source, in one transaction with its entry in
// the source's audit trail. Assigned, the reference is the shipment's from the first scan on that waits, all that waits
// under it goes there, and what other sources have under it is tried again. The same request again gets the same reply;
// another that asks for what was done already is told so.
func (s *Store) Place(ctx context.Context, q freight.PlaceRequest) (r freight.PlaceReply, err error) {
	err = s.tx(ctx, "place", func(t *sql.Tx) error {
		var named []freight.Reference
		for _, k := range telling() {
			named = append(named, freight.Reference{Kind: k, Value: q.Reference})
		}
		if err := s.holdReferences(ctx, t, named); err != nil {
			return err
		}
		if err := s.hold(ctx, t, "unmatched/"+q.Source, false); err != nil {
			return err
		}
		r, err = s.placeOnce(ctx, t, q)
		return err
	})
	return r, err
}

// answered is a request with what became of it, as the store keeps it.
type answered struct {
	Request freight.PlaceRequest `json:"request"`
	Reply   freight.PlaceReply   `json:"reply"`
}

func (s *Store) placeOnce(ctx context.Context, t *sql.Tx, q freight.PlaceRequest) (r freight.PlaceReply, err error) {
	if was, ok, err := usedBefore(ctx, t, "place", q.ID); err != nil || ok {
		return was.Reply, err
	}
	r = freight.PlaceReply{ID: q.ID, At: s.now()}
	ps, err := s.under(ctx, t, q)
	if err != nil {
		return r, err
	}
	if len(ps) == 0 {
		return nothingWaits(ctx, t, q, r)
	}
	if q.Action == freight.Assign {
		var known int
		if err := t.QueryRowContext(ctx, `SELECT count(*) FROM views WHERE shipment = $1`, string(q.Shipment)).Scan(&known); err != nil {
			return r, err
		}
		if known == 0 {
			r.Refusal = fmt.Sprintf("there is no shipment %s: see waybill list --all; one that has just started is known within seconds", q.Shipment)
			return r, nil
		}
		err = s.assign(ctx, t, q, ps)
	} else {
		err = discard(ctx, t, q, ps)
	}
	if err != nil {
		return r, err
	}
	r.Scans = len(ps)
	return r, s.remember(ctx, t, answered{q, r})
}

// nothingWaits answers a request for what is settled, or never was.
func nothingWaits(ctx context.Context, t *sql.Tx, q freight.PlaceRequest, r freight.PlaceReply) (freight.PlaceReply, error) {
	was, ok, err := usedBefore(ctx, t, "placed", placedName(q))
	switch {
	case err != nil:
		return r, err
	case !ok:
		r.Refusal = fmt.Sprintf("nothing of source %s waits under %s: waybill exception show unmatched/%s has what does", q.Source, q.Reference, q.Source)
	case was.Request.Action == q.Action && was.Request.Shipment == q.Shipment:
		r.Note = "it was done before: " + was.words()
	default:
		r.Refusal = fmt.Sprintf("nothing of source %s waits under %s any more: %s", q.Source, q.Reference, was.words())
	}
	return r, nil
}

func (a answered) words() string {
	to := ""
	if a.Request.Action == freight.Assign {
		to = " to " + string(a.Request.Shipment)
	}
	return fmt.Sprintf("%s%s by %s at %s, scans: %d", a.kind(), to, a.Request.By, a.Reply.At.UTC().Format("2006-01-02 15:04"), a.Reply.Scans)
}

func (a answered) kind() freight.AuditKind {
	if a.Request.Action == freight.Assign {
		return freight.AuditAssigned
	}
	return freight.AuditDiscarded
}

func placedName(q freight.PlaceRequest) string { return q.Source + "|" + q.Reference }

func usedBefore(ctx context.Context, t *sql.Tx, kind, name string) (a answered, ok bool, err error) {
	var result string
	err = t.QueryRowContext(ctx, `SELECT result FROM used WHERE kind = $1 AND name = $2`, kind, name).Scan(&result)
	if errors.Is(err, sql.ErrNoRows) {
		return a, false, nil
	}
	if err == nil {
		err = json.Unmarshal([]byte(result), &a)
	}
	return a, err == nil, err
}

// remember keeps the answer under the request's own id and under its reference, and in the trail of its source.
func (s *Store) remember(ctx context.Context, t *sql.Tx, a answered) error {
	for kind, name := range map[string]string{"place": a.Request.ID, "placed": placedName(a.Request)} {
		if _, err := t.ExecContext(ctx, `INSERT INTO used (kind, name, owner, result, at) VALUES ($1, $2, $3, $4, $5) ON CONFLICT (kind, name) DO UPDATE SET owner = excluded.owner, result = excluded.result, at = excluded.at`,
			kind, name, string(a.Request.Shipment), toJSON(a), stamp(s.now())); err != nil {
			return err
		}
	}
	trail := TrailOf(a.Request.Source)
	var last int64
	if err := t.QueryRowContext(ctx, `SELECT coalesce(max(n), 0) FROM audit_heads WHERE shipment = $1`, string(trail)).Scan(&last); err != nil {
		return err
	}
	what := fmt.Sprintf("%s, scans: %d", a.Request.Reference, a.Reply.Scans)
	if a.Request.Shipment != "" {
		what += ", to " + string(a.Request.Shipment)
	}
	_, err := putAudits(ctx, t, trail, []freight.AuditEntry{{N: last + 1, At: a.Reply.At, Kind: a.kind(), Actor: a.Request.By, Detail: what + ": " + a.Request.Reason}})
	return err
}

// TrailOf names the audit trail of what people did with a source's unmatched scans.
func TrailOf(source string) freight.ShipmentID { return freight.ShipmentID("unmatched/" + source) }

// under locks what of a source waits under a reference, of whatever kind, or came with a delivery.
func (s *Store) under(ctx context.Context, t *sql.Tx, q freight.PlaceRequest) ([]*placement, error) {
	const waits = `SELECT seq, scan, refs FROM scans WHERE state = 'unmatched' AND source = $1 AND `
	if n, ok := strings.CutPrefix(q.Reference, underDelivery); ok {
		if seq, err := strconv.ParseInt(n, 10, 64); err == nil {
			rows, err := t.QueryContext(ctx, waits+`delivery = $2 ORDER BY seq`+s.dialect.forUpdate, q.Source, seq)
			return all(rows, err, scanPlacement)
		}
	}
	args := []any{q.Source, q.Reference}
	for _, k := range telling() {
		args = append(args, string(k))
	}
	rows, err := t.QueryContext(ctx, waits+`seq IN (SELECT seq FROM unmatched_refs WHERE value = $2 AND kind IN (`+places(3, len(args)-2, 1)+`)) ORDER BY seq`+s.dialect.forUpdate, args...)
	return all(rows, err, scanPlacement)
}

// assign registers the reference for the shipment, and gives it what waits.
func (s *Store) assign(ctx context.Context, t *sql.Tx, q freight.PlaceRequest, ps []*placement) error {
	var rs []freight.Reference
	for _, c := range claims(q.Reference, ps) {
		if err := s.register(ctx, t, q.Shipment, c); err != nil {
			return err
		}
		rs = append(rs, c.Reference)
	}
	for _, p := range ps {
		p.shipment = string(q.Shipment)
		if err := p.again(ctx, t); err != nil {
			return err
		}
	}
	if err := s.number(ctx, t, ps); err != nil {
		return err
	}
	return s.redrive(ctx, t, rs)
}

// claim is a reference that scans wait under, and when the first and the last of them occurred.
type claim struct {
	freight.Reference
	first, last time.Time
}

// claims are what a number is to the scans that wait under it.
func claims(value string, ps []*placement) (cs []*claim) {
	by := map[freight.Reference]*claim{}
	for _, p := range ps {
		for _, r := range p.refs {
			if r.Carrier = p.carrierOf(r); r.Value != value {
				continue
			}
			at := p.scan.OccurredAt
			c, ok := by[r]
			if !ok {
				c = &claim{r, at, at}
				by[r], cs = c, append(cs, c)
			}
			if at.Before(c.first) {
				c.first = at
			}
			if at.After(c.last) {
				c.last = at
			}
		}
	}
	return cs
}

// register makes a reference the shipment's from the first scan on that waits under it. A carrier gives its own numbers
// to one shipment at a time, so that another which claimed this one in that time has it no longer; an order's or a
// customer's number may be that of several, and the next scan under it is asked about again.
func (s *Store) register(ctx context.Context, t *sql.Tx, id freight.ShipmentID, c *claim) error {
	since, until := c.first, s.now().Add(referenceLife)
	if c.Kind == freight.RefTracking || c.Kind == freight.RefPRO {
		if _, err := t.ExecContext(ctx, `UPDATE refs SET until = $1 WHERE kind = $2 AND value = $3 AND shipment <> $4 AND since <= $5 AND until >= $6 AND (carrier = '' OR CAST($7 AS TEXT) = '' OR carrier = $7)`,
			stamp(since.Add(-time.Nanosecond)), string(c.Kind), c.Value, string(id), stamp(c.last), stamp(c.first), string(c.Carrier)); err != nil {
			return err
		}
	}
	_, err := t.ExecContext(ctx, `INSERT INTO refs (kind, carrier, value, shipment, since, until) VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (kind, value, carrier, shipment) DO UPDATE
		SET since = CASE WHEN excluded.since < refs.since THEN excluded.since ELSE refs.since END, until = CASE WHEN excluded.until > refs.until THEN excluded.until ELSE refs.until END`,
		string(c.Kind), string(c.Carrier), c.Value, string(id), stamp(since), stamp(until))
	return err
}

// discard sets aside what waits, with the reason. Registering its reference later does not bring it back.
func discard(ctx context.Context, t *sql.Tx, q freight.PlaceRequest, ps []*placement) error {
	for _, p := range ps {
		if _, err := t.ExecContext(ctx, `UPDATE scans SET state = 'discarded', reason = $1 WHERE seq = $2`, "by "+q.By+": "+q.Reason, p.seq); err != nil {
			return err
		}
		if _, err := t.ExecContext(ctx, `DELETE FROM unmatched_refs WHERE seq = $1`, p.seq); err != nil {
			return err
		}
	}
	return nil
}
