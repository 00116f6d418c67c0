package record

import (
	"context"
	"encoding/json"
	"slices"
	"time"

	"waybill/workflows/freight"
)

// Relearn makes the decision that a dispute ended with known as used, after a backup of the store was restored that is
// older: it cannot be used again, and counts towards its approver's limit from now on. It may come again.
func (k *Keeper) Relearn(ctx context.Context, d freight.Dispute) error {
	i := slices.IndexFunc(d.Answers, func(r freight.DecisionReply) bool { return r.Applied })
	if d.Ruling == nil || i < 0 || d.Answers[i].Nonce == "" {
		return nil
	}
	above, err := d.Ruling.Amount.Sub(d.Proposal.Expected)
	if err != nil {
		return err
	}
	v := kept{Document: d.Answers[i].Document, Above: above}
	v.Answer.Ruling, v.Answer.Reply = d.Ruling, d.Answers[i]
	_, _, err = k.Store.UseOnce(ctx, "decision", d.Ruling.By+"|"+d.Answers[i].Nonce, string(d.Proposal.Dispute), func(func(string, string, time.Time) ([]string, error)) (string, bool, error) {
		b, err := json.Marshal(v)
		return string(b), true, err
	})
	return err
}
