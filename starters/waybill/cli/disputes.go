package cli

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/spf13/cobra"
	"go.temporal.io/sdk/client"

	"waybill/internal/approval"
	"waybill/workflows/freight"
	"waybill/workflows/protocol"
)

func (a *app) dispute() *cobra.Command {
	c := &cobra.Command{Use: "dispute", Short: "See and decide disputed charges"}
	c.AddCommand(a.disputeList(), a.disputeShow(), a.decide("approve", freight.Approve), a.decide("reject", freight.Reject))
	return c
}

func (a *app) disputeList() *cobra.Command {
	var all bool
	c := &cobra.Command{
		Use: "list", Short: "List open disputes", Args: exactly(0),
		RunE: a.with(func(ctx context.Context, c client.Client, _ []string) error {
			q := "WorkflowType = 'Dispute'"
			if !all {
				q += " AND ExecutionStatus = 'Running'"
			}
			return a.printList(ctx, c, q, 1000)
		}),
	}
	c.Flags().BoolVar(&all, "all", false, "decided ones too")
	return c
}

func (a *app) disputeShow() *cobra.Command {
	return &cobra.Command{
		Use: "show DISPUTE", Short: "Show the finding, its evidence, and what was decided", Args: exactly(1),
		RunE: a.with(func(ctx context.Context, c client.Client, args []string) error {
			d, err := a.disputeState(ctx, c, args[0])
			if err != nil {
				return err
			}
			return a.show(d, func() { a.printDispute(d) })
		}),
	}
}

func (a *app) disputeState(ctx context.Context, c client.Client, id string) (freight.Dispute, error) {
	ctx, cancel := context.WithTimeout(ctx, a.wait)
	defer cancel()
	return protocol.DisputeState.Ask(ctx, c, protocol.DisputeWorkflowID(freight.DisputeID(id)))
}

func (a *app) printDispute(d freight.Dispute) {
	p := d.Proposal
	fmt.Fprintf(a.out, "dispute %s\n%s\n%s %s: claimed %s, by contract %s (rule %s)\n%s\n", p.Dispute, a.link(protocol.DisputeWorkflowID(p.Dispute)), p.Code, p.ChargeRef, p.Claimed, p.Expected, p.Rule, p.Reason)
	for _, e := range p.Evidence {
		fmt.Fprintln(a.out, "  evidence:", e)
	}
	fmt.Fprintln(a.out, "proposal", d.Hash)
	for _, r := range d.Answers {
		if r.Refusal != "" {
			fmt.Fprintf(a.out, "  %s refused: %s\n", r.At.UTC().Format(time.RFC3339), r.Refusal)
		}
	}
	if d.Ruling != nil {
		fmt.Fprintf(a.out, "%s at %s by %s: %s\n", d.Ruling.Verdict, d.Ruling.Amount, d.Ruling.By, d.Ruling.Reason)
	}
}

// decisionLife is how long a signed decision holds: long enough for a queue, short enough to mean what was seen.
const decisionLife = 10 * time.Minute

func (a *app) decide(name string, verdict freight.DisputeVerdict) *cobra.Command {
	var reason, amount, key string
	c := &cobra.Command{
		Use: name + " DISPUTE", Short: map[string]string{"approve": "Let the charge stand", "reject": "Let the contract stand"}[name] + ": sign the decision, send it, wait for the answer", Args: exactly(1),
		RunE: a.with(func(ctx context.Context, c client.Client, args []string) error {
			if reason == "" {
				return usageError{errors.New("--reason is required: it is kept for auditors")}
			}
			k, err := approval.Load(key)
			if err != nil {
				return err
			}
			d, err := a.disputeState(ctx, c, args[0])
			if err != nil {
				return err
			}
			decision, err := a.decision(d, verdict, amount, reason, k.Approver)
			if err != nil {
				return err
			}
			return a.send(ctx, c, d, decision, k)
		}),
	}
	c.Flags().StringVar(&reason, "reason", "", "why: kept for auditors")
	c.Flags().StringVar(&key, "key", envOr("WAYBILL_APPROVER_KEY", defaultKey()), "your key file, from waybill approver keygen")
	if verdict == freight.Approve {
		c.Flags().StringVar(&amount, "amount", "", "what stands, as in \"120.00 USD\"; without it, all that is claimed")
	}
	return c
}

func defaultKey() string {
	home, err := os.UserHomeDir()
	if err != nil {
		return "approver.key"
	}
	return filepath.Join(home, ".config", "waybill", "approver.key")
}

func (a *app) decision(d freight.Dispute, verdict freight.DisputeVerdict, amount, reason, approver string) (freight.Decision, error) {
	if d.Ruling != nil {
		return freight.Decision{}, fmt.Errorf("the dispute was decided by %s: %s at %s", d.Ruling.By, d.Ruling.Verdict, d.Ruling.Amount)
	}
	nonce := make([]byte, 16)
	if _, err := rand.Read(nonce); err != nil {
		return freight.Decision{}, fmt.Errorf("nonce: %w", err)
	}
	p := d.Proposal
	out := freight.Decision{
		Dispute: p.Dispute, Shipment: p.Shipment, ProposalHash: p.Hash(), Verdict: verdict, Amount: p.Claimed, Reason: reason, Approver: approver,
		Nonce: base64.RawURLEncoding.EncodeToString(nonce), ExpiresAt: a.now().Add(decisionLife).UTC(),
	}
	if verdict == freight.Reject {
		out.Amount = p.Expected
	}
	if amount != "" {
		var err error
		if out.Amount, err = freight.ParseMoney(amount); err != nil {
			return out, usageError{err}
		}
	}
	if err := out.CheckAgainst(p, a.now()); err != nil {
		return out, usageError{err}
	}
	return out, nil
}

// send signs and sends a decision, and waits for what becomes of it.
func (a *app) send(ctx context.Context, c client.Client, d freight.Dispute, decision freight.Decision, k approval.Key) error {
	jws, err := k.Sign(decision)
	if err != nil {
		return err
	}
	signed := protocol.SignedDecision{JWS: jws}
	id := protocol.DisputeWorkflowID(d.Proposal.Dispute)
	if err := protocol.DecisionMade.Send(ctx, c, id, signed); err != nil {
		return err
	}
	var reply freight.DecisionReply
	answered, err := a.poll(ctx, func(ctx context.Context) (bool, error) {
		now, err := protocol.DisputeState.Ask(ctx, c, id)
		i := slices.IndexFunc(now.Answers, func(r freight.DecisionReply) bool { return r.Document == signed.Hash() })
		if i < 0 {
			return false, err
		}
		reply = now.Answers[i]
		return true, nil
	})
	switch {
	case err != nil:
		return err
	case !answered:
		return errors.New("queued: no worker answers; it will be applied when one does, unless it expires first")
	case !reply.Applied:
		return fmt.Errorf("refused: %s", reply.Refusal)
	}
	return a.show(reply, func() {
		fmt.Fprintf(a.out, "applied: %s at %s on dispute %s\n", decision.Verdict, decision.Amount, decision.Dispute)
	})
}

func (a *app) approver() *cobra.Command {
	var key string
	keygen := &cobra.Command{
		Use: "keygen ID", Short: "Make your key; print the public part for the worker's configuration", Args: exactly(1),
		RunE: func(_ *cobra.Command, args []string) error {
			k, err := approval.NewKey(args[0])
			if err != nil {
				return usageError{err}
			}
			if err := os.MkdirAll(filepath.Dir(key), 0o700); err != nil {
				return err
			}
			if err := k.Save(key); err != nil {
				return err
			}
			return a.show(map[string]string{"id": k.Approver, "public_key": k.Public(), "file": key}, func() {
				fmt.Fprintf(a.out, "id: %s\npublic_key: %s\n", k.Approver, k.Public())
				fmt.Fprintf(a.words, "your key is in %s; keep it to yourself, and give the lines above to whoever keeps approvers in the configuration\n", key)
			})
		},
	}
	keygen.Flags().StringVar(&key, "key", envOr("WAYBILL_APPROVER_KEY", defaultKey()), "where to keep the key; never overwritten")
	c := &cobra.Command{Use: "approver", Short: "Your own key as an approver"}
	c.AddCommand(keygen)
	return c
}
