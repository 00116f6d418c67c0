package store

import (
	"context"
	"database/sql"
	"errors"

	"waybill/workflows/freight"
)

// Relearn brings the store up to what a shipment's own story knows, after a backup was restored that is older than
// the story: scans are numbered on from the last it has read, the carriers' invoice numbers and the references it
// has are held again, and audit entries that went with the lost store are marked as lost, so that the chain goes
// on. It may come again, and changes nothing that is newer. Lost is how many entries were marked.
func (s *Store) Relearn(ctx context.Context, sh freight.Shipment) (lost int64, err error) {
	err = s.tx(ctx, "relearn", func(t *sql.Tx) error {
		if _, err := putView(ctx, t, sh.ViewAt(sh.Views, s.now())); err != nil {
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
