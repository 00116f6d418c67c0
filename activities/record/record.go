// Package record keeps what the stories report, and decides whether a signed decision may decide.
package record

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"waybill/internal/approval"
	"waybill/internal/store"
	"waybill/workflows/freight"
	"waybill/workflows/protocol"
)

// Approver is a person who may decide disputes.
type Approver struct {
	ID         string        `json:"id"`
	Name       string        `json:"name"`
	PublicKey  string        `json:"publicKey"`  // base64url, from waybill approver keygen
	Limit      freight.Money `json:"limit"`      // above the contract, for one decision
	Cumulative freight.Money `json:"cumulative"` // above the contract, in 30 days
}

// window is the time over which an approver's limit adds up: a calendar month would invite splitting at its end.
const window = 30 * 24 * time.Hour

// longestLife bounds how far ahead a decision may expire: 15 minutes of its own, and 5 in which two clocks may differ.
// One that held for a year could be kept, and used when it suits.
const longestLife = 20 * time.Minute

// Keeper implements the record activities.
type Keeper struct {
	Store     *store.Store
	Approvers []Approver
	Terms     func(freight.CustomerCode, string) (freight.Terms, error)
	Now       func() time.Time
	// Forgot hears that the store lacks what came before a record: a backup was restored. nil: nobody hears of it.
	Forgot func(context.Context, error) error

	// Grace is how long scans wait for their shipment before people are shown them.
	Grace time.Duration
	// SourceOwner is who answers for a source and how they are reached; "" where nobody is configured. Nil: for none.
	SourceOwner func(source string) (owner, contact string)
}

// Record brings the store up to date; again changes nothing.
func (k *Keeper) Record(ctx context.Context, q protocol.RecordRequest) (protocol.Recorded, error) {
	last, err := k.Store.Record(ctx, store.Entry{View: q.View, Audits: q.Audits, References: q.References, Final: q.Final})
	if errors.Is(err, store.ErrGap) && k.Forgot != nil {
		err = errors.Join(err, k.Forgot(ctx, err))
	}
	if err != nil {
		return protocol.Recorded{}, protocol.Transient.Of(err)
	}
	return protocol.Recorded{Audits: last}, nil
}

// ReadTerms answers with the customer's policy.
func (k *Keeper) ReadTerms(_ context.Context, q protocol.TermsRequest) (freight.Terms, error) {
	t, err := k.Terms(q.Customer, q.Currency)
	if err != nil {
		return t, protocol.Rejected.Of(err)
	}
	return t, nil
}

// kept is what the store keeps of a decision, under its nonce.
type kept struct {
	Document string                    `json:"document"`
	Above    freight.Money             `json:"above"` // what was approved above the contract
	Answer   protocol.DecisionVerified `json:"answer"`
}

// VerifyDecision answers whether a signed decision may decide a proposal. A refusal is an answer. The same
// document gets the same answer for ever; another with its nonce is refused.
func (k *Keeper) VerifyDecision(ctx context.Context, q protocol.DecisionRequest) (protocol.DecisionVerified, error) {
	document := protocol.SignedDecision{JWS: q.JWS}.Hash()
	d, err := approval.Read(q.JWS, k.keyOf)
	if err != nil {
		return k.refuse(document, "", err.Error()), nil
	}
	if d.Nonce == "" {
		return k.refuse(document, "", "the decision has no nonce: use waybill dispute approve or reject"), nil
	}
	name := d.Approver + "|" + d.Nonce
	_, result, err := k.Store.UseOnce(ctx, "decision", name, string(d.Dispute), func(spent spentFunc) (string, bool, error) {
		return k.decide(q.Proposal, d, document, spent)
	})
	if err != nil {
		return protocol.DecisionVerified{}, protocol.Transient.Of(err)
	}
	return k.answerOf(result, document, d.Nonce)
}

type spentFunc = func(kind, prefix string, since time.Time) ([]string, error)

func (k *Keeper) answerOf(result, document, nonce string) (protocol.DecisionVerified, error) {
	var was kept
	if err := json.Unmarshal([]byte(result), &was); err != nil {
		return protocol.DecisionVerified{}, protocol.Poison.Of(fmt.Errorf("record: decision in the store: %w", err))
	}
	if was.Document != document {
		return k.refuse(document, nonce, "this nonce was used by another decision: decide anew"), nil
	}
	return was.Answer, nil
}

// decide judges a decision that has not been seen. A refused one is not kept: limits and times change.
func (k *Keeper) decide(p freight.Proposal, d freight.Decision, document string, spent spentFunc) (string, bool, error) {
	now := k.Now()
	above, refusal, err := k.judge(p, d, now, spent)
	if err != nil {
		return "", false, err
	}
	v := kept{Document: document, Above: above, Answer: k.refuse(document, d.Nonce, refusal)}
	if refusal == "" {
		v.Answer.Reply.Applied = true
		v.Answer.Ruling = &freight.Ruling{Dispute: p.Dispute, Proposal: d.ProposalHash, ChargeRef: p.ChargeRef, Verdict: d.Verdict, Amount: d.Amount, By: d.Approver, Reason: d.Reason, At: now}
	}
	b, err := json.Marshal(v)
	return string(b), refusal == "", err
}

func (k *Keeper) judge(p freight.Proposal, d freight.Decision, now time.Time, spent spentFunc) (above freight.Money, refusal string, err error) {
	if err := d.CheckAgainst(p, now); err != nil {
		return above, err.Error(), nil
	}
	if d.ExpiresAt.After(now.Add(longestLife)) {
		return above, fmt.Sprintf("the decision holds until %s, which is too long: sign it with waybill dispute approve or reject, and set the clock of this machine", d.ExpiresAt.UTC().Format(time.RFC3339)), nil
	}
	a, _ := k.approver(d.Approver)
	if above, err = d.Amount.Sub(p.Expected); err != nil {
		return above, err.Error(), nil
	}
	if over, err := above.Cmp(a.Limit); above.Sign() > 0 && (err != nil || over > 0) {
		return above, fmt.Sprintf("%s above the contract is over the limit of %s for %s: ask an approver with a higher one", above, a.Limit, a.ID), nil
	}
	total, err := k.total(a, above, now, spent)
	if err != nil {
		return above, "", err
	}
	if over, err := total.Cmp(a.Cumulative); above.Sign() > 0 && (err != nil || over > 0) {
		return above, fmt.Sprintf("with this, %s would have approved %s in 30 days, over the limit of %s: ask another approver", a.ID, total, a.Cumulative), nil
	}
	return above, "", nil
}

// total is what the approver has approved above contracts in the window, with this decision.
func (k *Keeper) total(a Approver, above freight.Money, now time.Time, spent spentFunc) (freight.Money, error) {
	results, err := spent("decision", a.ID+"|", now.Add(-window))
	if err != nil {
		return above, err
	}
	total := above
	for _, r := range results {
		var was kept
		if err := json.Unmarshal([]byte(r), &was); err != nil {
			return above, err
		}
		if was.Above.Currency == above.Currency {
			if total, err = total.Add(was.Above); err != nil {
				return above, err
			}
		}
	}
	return total, nil
}

func (k *Keeper) refuse(document, nonce, why string) protocol.DecisionVerified {
	return protocol.DecisionVerified{Reply: freight.DecisionReply{Nonce: nonce, Document: document, Refusal: why, At: k.Now()}}
}

func (k *Keeper) approver(id string) (Approver, bool) {
	for _, a := range k.Approvers {
		if a.ID == id {
			return a, true
		}
	}
	return Approver{}, false
}

func (k *Keeper) keyOf(id string) (string, bool) {
	a, ok := k.approver(id)
	return a.PublicKey, ok
}
