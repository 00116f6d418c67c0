package cli

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"go.temporal.io/sdk/client"

	"waybill/internal/approval"
	"waybill/internal/console"
	"waybill/workflows/freight"
	"waybill/workflows/protocol"
)

func (a *app) dispute() *cobra.Command {
	return console.Group("dispute", "See and decide disputed charges", a.disputeList(), a.disputeShow(),
		a.decide(freight.Approve, "Let the charge stand: sign the decision, send it, wait for the answer"),
		a.decide(freight.Reject, "Let the contract stand: sign the decision, send it, wait for the answer"))
}

func (a *app) disputeList() *cobra.Command {
	var all bool
	c := &cobra.Command{
		Use: "list", Short: "List open disputes", Args: cobra.NoArgs,
		RunE: a.with(func(ctx context.Context, c client.Client, _ []string) error {
			q := "WorkflowType = 'Dispute'"
			if !all {
				q += " AND ExecutionStatus = 'Running'"
			}
			return a.printList(ctx, c, q, listLimit)
		}),
	}
	c.Flags().BoolVar(&all, "all", false, "decided ones too")
	return c
}

func (a *app) disputeShow() *cobra.Command {
	return &cobra.Command{
		Use: "show DISPUTE", Short: "Show the finding, its evidence, and what was decided", Args: cobra.ExactArgs(1),
		RunE: a.with(func(ctx context.Context, c client.Client, args []string) error {
			d, err := a.disputeState(ctx, c, args[0])
			if err != nil {
				return err
			}
			return a.Show(d, func() { a.printDispute(d) })
		}),
	}
}

func (a *app) disputeState(ctx context.Context, c client.Client, id string) (freight.Dispute, error) {
	id = strings.TrimPrefix(id, "dispute/")
	if shipment, _, ok := strings.Cut(id, "/"); !ok || !freight.ShipmentID(shipment).Valid() {
		return freight.Dispute{}, console.Usagef("%q is no dispute id such as acme-1042/1", id)
	}
	return ask(ctx, a, c, protocol.DisputeState, protocol.DisputeWorkflowID(freight.DisputeID(id)))
}

func (a *app) printDispute(d freight.Dispute) {
	p := d.Proposal
	a.Print("dispute %s\n%s\n%s %s: claimed %s, by contract %s (rule %s)\n%s", p.Dispute, a.link(protocol.DisputeWorkflowID(p.Dispute)), p.Code, p.ChargeRef, p.Claimed, p.Expected, p.Rule, p.Reason)
	for _, e := range p.Evidence {
		a.Print("  evidence: %s", e)
	}
	a.Print("proposal %s", d.Hash)
	for _, r := range d.Answers {
		if r.Refusal != "" {
			a.Print("  %s refused: %s", r.At.UTC().Format(time.RFC3339), r.Refusal)
		}
	}
	if d.Ruling != nil {
		a.Print("%s at %s by %s: %s", d.Ruling.Verdict, d.Ruling.Amount, d.Ruling.By, d.Ruling.Reason)
	}
}

// decisionLife is how long a signed decision holds: long enough for a queue, short enough to mean what was seen.
const decisionLife = 10 * time.Minute

func (a *app) decide(verdict freight.DisputeVerdict, short string) *cobra.Command {
	var reason, amount, key string
	c := &cobra.Command{
		Use: string(verdict) + " DISPUTE", Short: short, Args: cobra.ExactArgs(1),
		RunE: a.with(func(ctx context.Context, c client.Client, args []string) error {
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
	reasoned(c, &reason)
	c.Flags().StringVar(&key, "key", cmp.Or(os.Getenv("WAYBILL_APPROVER_KEY"), defaultKey()), "your key file, from waybill approver keygen")
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
		Nonce: base64.RawURLEncoding.EncodeToString(nonce), ExpiresAt: time.Now().Add(decisionLife).UTC(),
	}
	if verdict == freight.Reject {
		out.Amount = p.Expected
	}
	if amount != "" {
		var err error
		if out.Amount, err = freight.ParseMoney(amount); err != nil {
			return out, console.Usage(err)
		}
	}
	if err := out.CheckAgainst(p, time.Now()); err != nil {
		return out, console.Usage(err)
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
		return a.advise(err, id)
	}
	var reply freight.DecisionReply
	answered, err := a.poll(ctx, func(ctx context.Context) (bool, error) {
		now, err := ask(ctx, a, c, protocol.DisputeState, id)
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
		return fmt.Errorf("queued: no worker has answered yet; it is applied when one does, unless it expires first at %s: see waybill dispute show %s", decision.ExpiresAt.Format(time.RFC3339), decision.Dispute)
	case !reply.Applied:
		return errors.Join(a.Show(reply, func() {}), fmt.Errorf("refused: %s", reply.Refusal))
	}
	return a.Show(reply, func() {
		a.Print("applied: %s at %s on dispute %s", decision.Verdict, decision.Amount, decision.Dispute)
	})
}

func (a *app) approver() *cobra.Command {
	var key string
	keygen := &cobra.Command{
		Use: "keygen ID", Short: "Make your key; print the public part for the worker's configuration", Args: cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			k, err := approval.NewKey(args[0])
			if err != nil {
				return console.Usage(err)
			}
			if err := keep(k, key); err != nil {
				return err
			}
			a.Say("your key is in %s; keep it to yourself, and give id and public key to whoever keeps approvers in the configuration", key)
			return a.Show(approver{k.Approver, k.Public(), key}, func() { a.Print("id: %s\npublic_key: %s", k.Approver, k.Public()) })
		},
	}
	keygen.Flags().StringVar(&key, "key", cmp.Or(os.Getenv("WAYBILL_APPROVER_KEY"), defaultKey()), "where to keep the key; never overwritten")
	return console.Group("approver", "Your own key as an approver", keygen)
}

// approver is what keygen made.
type approver struct {
	ID        string `json:"id"`
	PublicKey string `json:"public_key"`
	File      string `json:"file"`
}

// keep saves a key where there is none.
func keep(k approval.Key, path string) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return fmt.Errorf("make the folder of the key: %w", err)
	}
	err := k.Save(path)
	if errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("there is a key in %s, which is not overwritten: go on using it, or name another file with --key", path)
	}
	return err
}
