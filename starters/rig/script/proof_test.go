package script_test

import (
	"context"
	"encoding/base64"
	"strings"
	"testing"
	"time"

	"waybill/starters/rig"
	"waybill/starters/rig/script"
)

// TestProofOfThreeMebibytesReachesOdooByReference delivers a document as large as a scanner at its finest makes, through
// the bridge into the store, and from there to Odoo: its shipment's history has no more of it than its hash.
func TestProofOfThreeMebibytesReachesOdooByReference(t *testing.T) {
	const (
		size    = 3 << 20
		history = 60_000 // bytes; a shipment with a proof of some bytes has 40,000
	)
	h, err := rig.Open(t.Context(), rig.Options{Dir: t.TempDir(), Say: t.Logf})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(h.Close)
	s := script.New(h, script.Options{Seed: 3, Shipments: 1, Situations: []script.Situation{script.CleanBurst}, ProofBytes: size})
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	if err := s.Play(ctx); err != nil {
		t.Fatal(err)
	}
	l, err := s.Ledger(ctx)
	if err != nil || len(l.Mismatches) > 0 || l.InvoicesPosted != 1 {
		t.Fatalf("posted %d: %s %v", l.InvoicesPosted, strings.Join(l.Mismatches, "; "), err)
	}
	id := string(s.Plans[0].ID)
	if got := filed(ctx, t, h, id); len(got) != size || !strings.HasPrefix(got, "%PDF-1.4 proof of delivery of "+id) {
		t.Errorf("Odoo has %d bytes of the proof, want %d", len(got), size)
	}
	c, err := s.Cost(ctx, s.Plans[0])
	if err != nil || c.Total.Bytes > history {
		t.Errorf("the history has %d bytes (%v), want at most %d", c.Total.Bytes, err, history)
	}
	t.Logf("a proof of %d bytes is in Odoo, the history has %d", size, c.Total.Bytes)
}

// filed is the proof of a shipment as Odoo has it.
func filed(ctx context.Context, t *testing.T, h *rig.House, id string) string {
	t.Helper()
	domain := []any{[]any{"res_model", "=", "stock.picking"}, []any{"description", "=", "signed by R. Receiver"}}
	v, err := h.Odoo.Call(ctx, "ir.attachment", "search_read", []any{domain}, map[string]any{"fields": []string{"name", "datas"}})
	if err != nil {
		t.Fatal(err)
	}
	list, _ := v.([]any)
	for _, r := range list {
		a, _ := r.(map[string]any)
		name, _ := a["name"].(string)
		datas, _ := a["datas"].(string)
		if body, err := base64.StdEncoding.DecodeString(datas); err == nil && strings.Contains(name, id) {
			return string(body)
		}
	}
	t.Fatalf("Odoo has no proof of %s among %d", id, len(list))
	return ""
}
