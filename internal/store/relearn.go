package store

import (
	"context"
	"database/sql"
	"errors"

	"waybill/workflows/freight"
)

// Relearn brings the store up to what a shipment's own story knows, after a backup was restored that is older than
// the story: scans are numbered on from the last it has read, the carriers' invoice numbers and the references it
// has are held again, what it has read of its partners is known as read, and audit entries that went with the lost
// store are marked as lost, so that the chain goes on. It may come again, and changes nothing that is newer. Lost is
// how many entries were marked.
func (s *Store) Relearn(ctx context.Context, sh freight.Shipment) (lost int64, err error) {
	err = s.tx(ctx, "relearn", func(t *sql.Tx) error {
		if _, err := putView(ctx, t, sh.ViewAt(sh.Views, s.now())); err != nil {
			return err
		}
		if sh.Stage == freight.StageClosed || sh.Stage == freight.StageCancelled {
			if err := putFinal(ctx, t, sh.Views, sh.Final()); err != nil {
				return err
			}
		}
		if err := s.knowScans(ctx, t, sh); err != nil {
			return err
		}
		if _, err := t.ExecContext(ctx, `INSERT INTO outbox (shipment, last) VALUES ($1, $2) ON CONFLICT (shipment) DO UPDATE
			SET last = CASE WHEN outbox.last < excluded.last THEN excluded.last ELSE outbox.last END`, string(sh.ID), sh.HighWater); err != nil {
			return err
		}
		for _, inv := range sh.Journey.Invoices {
			if err := s.claimInvoice(ctx, t, string(sh.ID), &freight.Scan{Invoice: &inv}); inv.DuplicateOf == "" && err != nil {
				return err
			}
		}
		if lost, err = s.markLost(ctx, t, sh); err != nil {
			return err
		}
		return s.putReferences(ctx, t, Entry{View: freight.View{Shipment: sh.ID}, References: sh.References()})
	})
	return lost, err
}

// markLost fills the gap between the trail the store has and the entries the story has sent.
func (s *Store) markLost(ctx context.Context, t *sql.Tx, sh freight.Shipment) (lost int64, err error) {
	var known int64
	err = t.QueryRowContext(ctx, `SELECT n FROM audit_heads WHERE shipment = $1`, string(sh.ID)).Scan(&known)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return 0, err
	}
	var gap []freight.AuditEntry
	for n := known + 1; n <= sh.Audits-int64(len(sh.Unsaid)); n++ {
		gap = append(gap, freight.AuditEntry{N: n, At: s.now(), Kind: freight.AuditLost, Stage: sh.Stage, Actor: "waybill", Detail: "the store that had this entry was lost, and an older backup restored"})
	}
	_, err = putAudits(ctx, t, sh.ID, gap)
	return int64(len(gap)), err
}

// knowScans makes the scans known that made the shipment's milestones, so that a partner who sends them again repeats
// himself. They have no number here: the story has counted them.
func (s *Store) knowScans(ctx context.Context, t *sql.Tx, sh freight.Shipment) error {
	for _, m := range sh.Journey.Marks {
		if m.Key == "" {
			continue
		}
		scan := freight.Scan{Key: m.Key, Milestone: m.Milestone, Classifier: freight.Actual, OccurredAt: m.At, Carrier: m.Carrier}
		if _, err := t.ExecContext(ctx, `INSERT INTO scans (scan_key, source, delivery, shipment, state, reason, refs, scan, at) VALUES ($1, '', 0, $2, 'sent', 'known from its story', '[]', $3, $4) ON CONFLICT (scan_key) DO NOTHING`,
			m.Key, string(sh.ID), toJSON(scan), stamp(s.now())); err != nil {
			return err
		}
	}
	return nil
}

// Behind reports whether the store knows less of a shipment than its story has told it.
func (s *Store) Behind(ctx context.Context, sh freight.Shipment) (bool, error) {
	v, _, err := s.View(ctx, sh.ID)
	if err != nil || v.Revision < sh.Views {
		return true, err
	}
	var last int64
	err = s.read.QueryRowContext(ctx, `SELECT coalesce(max(last), 0) FROM outbox WHERE shipment = $1`, string(sh.ID)).Scan(&last)
	return last < sh.HighWater, wrap("behind", err)
}
