package record_test

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"waybill/activities/record"
	"waybill/internal/approval"
	"waybill/internal/store"
	"waybill/internal/store/storetest"
	"waybill/workflows/freight"
	"waybill/workflows/protocol"
)

// world is a keeper on a store, with two approvers and their keys, and a clock that only the test moves.
type world struct {
	*testing.T
	clock    *storetest.Clock
	store    *store.Store
	keeper   *record.Keeper
	ann, bob approval.Key
}

func each(t *testing.T, f func(w *world)) {
	storetest.Each(t, func(t *testing.T, db storetest.DB) {
		clock := &storetest.Clock{}
		w := &world{T: t, clock: clock, store: db.Open(t, store.WithClock(clock.Now)), ann: key(t, "ann"), bob: key(t, "bob")}
		w.keeper = &record.Keeper{Store: w.store, Now: clock.Now, Terms: terms, Approvers: []record.Approver{
			{ID: "ann", Name: "Ann Approver", PublicKey: w.ann.Public(), Limit: usd("100.00"), Cumulative: usd("150.00")},
			{ID: "bob", Name: "Bob Budget", PublicKey: w.bob.Public(), Limit: usd("1000.00"), Cumulative: usd("5000.00")},
		}}
		f(w)
	})
}

func key(t *testing.T, id string) approval.Key {
	t.Helper()
	k, err := approval.NewKey(id)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func usd(number string) freight.Money { return freight.Money{Number: number, Currency: "USD"} }

var errNoPolicy = errors.New("customer NOBODY has no policy: add one to the policies file")

func terms(c freight.CustomerCode, currency string) (freight.Terms, error) {
	if c != "ACME" {
		return freight.Terms{}, errNoPolicy
	}
	return freight.Terms{Policy: "standard/1"}, nil
}

// proposal is the nth of a carrier that claims this much above a contract of 100 dollars.
func proposal(n int, claimed string) freight.Proposal {
	return freight.Proposal{Dispute: freight.DisputeIDOf("acme-1", n), Shipment: "acme-1", Rule: "RATE-1", ChargeRef: "C1/1", Code: freight.FuelSurcharge, Claimed: usd(claimed), Expected: usd("100.00"), Reason: "over contract"}
}

// approving decides that all that is claimed stands.
func (w *world) approving(p freight.Proposal, approver, nonce string) freight.Decision {
	return freight.Decision{Dispute: p.Dispute, Shipment: p.Shipment, ProposalHash: p.Hash(), Verdict: freight.Approve, Amount: p.Claimed, Reason: "the detour was ours", Approver: approver, Nonce: nonce, ExpiresAt: w.clock.Now().Add(10 * time.Minute)}
}

func (w *world) sign(k approval.Key, d freight.Decision) string {
	w.Helper()
	jws, err := k.Sign(d)
	if err != nil {
		w.Fatal(err)
	}
	return jws
}

func (w *world) verify(p freight.Proposal, jws string) protocol.DecisionVerified {
	w.Helper()
	v, err := w.keeper.VerifyDecision(w.Context(), protocol.DecisionRequest{Proposal: p, JWS: jws})
	if err != nil {
		w.Fatal(err)
	}
	return v
}

func TestApprovedDecisionBecomesARulingInTheApproversName(t *testing.T) {
	each(t, func(w *world) {
		p := proposal(1, "180.00")
		jws := w.sign(w.ann, w.approving(p, "ann", "n1"))
		v := w.verify(p, jws)
		want := protocol.DecisionVerified{
			Reply:  freight.DecisionReply{Nonce: "n1", Document: protocol.SignedDecision{JWS: jws}.Hash(), Applied: true, At: w.clock.Now()},
			Ruling: &freight.Ruling{Dispute: p.Dispute, Proposal: p.Hash(), ChargeRef: "C1/1", Verdict: freight.Approve, Amount: usd("180.00"), By: "ann", Reason: "the detour was ours", At: w.clock.Now()},
		}
		if d := cmp.Diff(want, v); d != "" {
			w.Error(d)
		}
	})
}

func TestSameDocumentGetsTheSameAnswerForEver(t *testing.T) {
	each(t, func(w *world) {
		p := proposal(1, "180.00")
		jws := w.sign(w.ann, w.approving(p, "ann", "n1"))
		first := w.verify(p, jws)
		w.clock.Pass(60 * 24 * time.Hour) // it has expired long ago
		w.keeper.Approvers[0].Limit = usd("1.00")
		if d := cmp.Diff(first, w.verify(p, jws)); d != "" {
			w.Error(d)
		}
	})
}

func TestDecisionThatMayNotDecideIsRefusedWithTheReason(t *testing.T) {
	p := proposal(1, "180.00")
	for name, c := range map[string]struct {
		change func(w *world, d *freight.Decision)
		signer func(w *world) approval.Key
		why    string
	}{
		"by someone unknown":          {change: func(_ *world, d *freight.Decision) { d.Approver = "eve" }, signer: func(w *world) approval.Key { return key(w.T, "eve") }, why: `approver "eve" is not known`},
		"by another key of that name": {signer: func(w *world) approval.Key { return key(w.T, "ann") }, why: "not that of approver"},
		"in another's name":           {change: func(_ *world, d *freight.Decision) { d.Approver = "bob" }, why: `names approver "bob", the key is that of "ann"`},
		"of a changed proposal":       {change: func(_ *world, d *freight.Decision) { d.ProposalHash = proposal(1, "180.01").Hash() }, why: "changed since it was signed"},
		"of another dispute":          {change: func(_ *world, d *freight.Decision) { d.Dispute = "acme-1/2" }, why: "is for dispute acme-1/2"},
		"after it has expired":        {change: func(w *world, d *freight.Decision) { d.ExpiresAt = w.clock.Now().Add(-time.Second) }, why: "expired at"},
		"that holds for a year":       {change: func(w *world, d *freight.Decision) { d.ExpiresAt = w.clock.Now().AddDate(1, 0, 0) }, why: "too long"},
		"without a nonce":             {change: func(_ *world, d *freight.Decision) { d.Nonce = "" }, why: "no nonce"},
		"without a reason":            {change: func(_ *world, d *freight.Decision) { d.Reason = "" }, why: "no reason"},
		"above what is claimed":       {change: func(_ *world, d *freight.Decision) { d.Amount = usd("180.01") }, why: "not between"},
		"in another currency":         {change: func(_ *world, d *freight.Decision) { d.Amount = freight.Money{Number: "120.00", Currency: "EUR"} }, why: "not between"},
		"over the single limit":       {change: func(w *world, _ *freight.Decision) { w.keeper.Approvers[0].Limit = usd("79.99") }, why: "over the limit of 79.99 USD"},
		"with a limit in other money": {change: func(w *world, _ *freight.Decision) { w.keeper.Approvers[0].Limit = freight.MustMoney("500.00 EUR") }, why: "over the limit"},
		"with no limit stated":        {change: func(w *world, _ *freight.Decision) { w.keeper.Approvers[0].Cumulative = freight.Money{} }, why: "over the limit"},
		"over the cumulative limit":   {change: func(w *world, _ *freight.Decision) { w.keeper.Approvers[0].Cumulative = usd("79.99") }, why: "80.00 USD in 30 days"},
	} {
		t.Run(name, func(t *testing.T) {
			each(t, func(w *world) {
				d, signer := w.approving(p, "ann", "n1"), w.ann
				if c.change != nil {
					c.change(w, &d)
				}
				if c.signer != nil {
					signer = c.signer(w)
				}
				v := w.verify(p, w.sign(signer, d))
				if v.Reply.Applied || v.Ruling != nil || !strings.Contains(v.Reply.Refusal, c.why) {
					w.Errorf("got %+v, want refusal %q", v, c.why)
				}
			})
		})
	}
}

func TestDocumentThatIsNoneIsRefused(t *testing.T) {
	each(t, func(w *world) {
		for _, jws := range []string{"", "garbage", "a.b.c", strings.Repeat("x", 1<<16)} {
			if v := w.verify(proposal(1, "180.00"), jws); v.Reply.Applied || v.Reply.Refusal == "" {
				w.Errorf("%.20q: %+v", jws, v)
			}
		}
	})
}

// What was refused is not used up: limits and times change.
func TestRefusedDecisionMayDecideLater(t *testing.T) {
	each(t, func(w *world) {
		p := proposal(1, "180.00")
		jws := w.sign(w.ann, w.approving(p, "ann", "n1"))
		w.keeper.Approvers[0].Limit = usd("1.00")
		if v := w.verify(p, jws); v.Reply.Applied {
			w.Fatalf("got %+v", v)
		}
		w.keeper.Approvers[0].Limit = usd("100.00")
		if v := w.verify(p, jws); !v.Reply.Applied {
			w.Errorf("got %+v", v)
		}
	})
}

func TestNonceOfAnotherDocumentIsRefused(t *testing.T) {
	each(t, func(w *world) {
		p := proposal(1, "180.00")
		d := w.approving(p, "ann", "n1")
		w.verify(p, w.sign(w.ann, d))
		d.Amount = usd("110.00")
		if v := w.verify(p, w.sign(w.ann, d)); v.Reply.Applied || !strings.Contains(v.Reply.Refusal, "nonce was used") {
			w.Errorf("got %+v", v)
		}
		d.Approver = "bob" // a nonce is its approver's own
		if v := w.verify(p, w.sign(w.bob, d)); !v.Reply.Applied {
			w.Errorf("got %+v", v)
		}
	})
}

func TestApprovalsAddUpForThirtyDaysAndForEachApprover(t *testing.T) {
	each(t, func(w *world) {
		decide := func(n int, k approval.Key, claimed string) bool {
			p := proposal(n, claimed)
			return w.verify(p, w.sign(k, w.approving(p, k.Approver, fmt.Sprint("n", n)))).Reply.Applied
		}
		reject := func(n int) bool {
			p := proposal(n, "5000.00")
			d := w.approving(p, "ann", fmt.Sprint("n", n))
			d.Verdict, d.Amount = freight.Reject, p.Expected
			return w.verify(p, w.sign(w.ann, d)).Reply.Applied
		}
		for i, c := range []struct {
			what string
			got  bool
			want bool
		}{
			{"80 of 150", decide(1, w.ann, "180.00"), true},
			{"80 more", decide(2, w.ann, "180.00"), false},
			{"70 more, to the cent", decide(3, w.ann, "170.00"), true},
			{"one cent more", decide(4, w.ann, "100.01"), false},
			{"a rejection costs nothing", reject(5), true},
			{"another approver", decide(6, w.bob, "300.00"), true},
		} {
			if c.got != c.want {
				w.Errorf("%d %s: %t, want %t", i, c.what, c.got, c.want)
			}
		}
		w.clock.Pass(30*24*time.Hour + time.Second)
		if !decide(7, w.ann, "190.00") {
			w.Error("what is older than 30 days still counts")
		}
	})
}

func TestOfApprovalsAtOnceOnlySoManyPassAsFitTheLimitTogether(t *testing.T) {
	each(t, func(w *world) {
		var applied atomic.Int64
		var all sync.WaitGroup
		for n := range 12 {
			p := proposal(n+1, "180.00") // 80 above: one fits 150, two do not
			jws := w.sign(w.ann, w.approving(p, "ann", fmt.Sprint("n", n)))
			all.Go(func() {
				v, err := w.keeper.VerifyDecision(w.Context(), protocol.DecisionRequest{Proposal: p, JWS: jws})
				if err != nil {
					w.Error(err)
				}
				if v.Reply.Applied {
					applied.Add(1)
				}
			})
		}
		all.Wait()
		if applied.Load() != 1 {
			w.Errorf("%d passed", applied.Load())
		}
	})
}

func TestOneDecisionAtOnceFromManyIsAppliedOnceWithOneAnswer(t *testing.T) {
	each(t, func(w *world) {
		p := proposal(1, "180.00")
		jws := w.sign(w.ann, w.approving(p, "ann", "n1"))
		answers := make([]protocol.DecisionVerified, 20)
		var all sync.WaitGroup
		for i := range answers {
			all.Go(func() {
				w.clock.Pass(time.Millisecond)
				answers[i] = w.verify(p, jws)
			})
		}
		all.Wait()
		for _, a := range answers {
			if d := cmp.Diff(answers[0], a); d != "" || !a.Reply.Applied {
				w.Fatal(d)
			}
		}
		if v := w.verify(proposal(2, "170.00"), w.sign(w.ann, w.approving(proposal(2, "170.00"), "ann", "n2"))); !v.Reply.Applied {
			w.Errorf("it was counted more than once: %+v", v)
		}
	})
}

func TestRecordKeepsViewTrailAndSnapshot(t *testing.T) {
	each(t, func(w *world) {
		q := protocol.RecordRequest{View: freight.View{Shipment: "acme-1", Revision: 1, Stage: freight.StageTransit}, Audits: []freight.AuditEntry{{N: 1, Kind: freight.AuditClaimed, Actor: "waybill"}}}
		for range 2 {
			if got, err := w.keeper.Record(w.Context(), q); err != nil || got.Audits != 1 {
				w.Fatalf("%+v, %v", got, err)
			}
		}
		if v, ok, err := w.store.View(w.Context(), "acme-1"); err != nil || !ok || v.Stage != freight.StageTransit {
			w.Errorf("%+v, %t, %v", v, ok, err)
		}
		q.Final = &freight.Shipment{ID: "acme-1"}
		if _, err := w.keeper.Record(w.Context(), q); err != nil {
			w.Fatal(err)
		}
		if _, closed, err := w.store.Final(w.Context(), "acme-1"); err != nil || !closed {
			w.Errorf("closed %t, %v", closed, err)
		}
	})
}

func TestStoreThatIsDownIsTriedAgain(t *testing.T) {
	each(t, func(w *world) {
		p := proposal(1, "180.00")
		jws := w.sign(w.ann, w.approving(p, "ann", "n1"))
		if err := w.store.Close(); err != nil {
			w.Fatal(err)
		}
		_, err := w.keeper.Record(w.Context(), protocol.RecordRequest{View: freight.View{Shipment: "acme-1"}})
		if protocol.FaultOf(err) != protocol.Transient {
			w.Errorf("record: %v", err)
		}
		_, err = w.keeper.VerifyDecision(w.Context(), protocol.DecisionRequest{Proposal: p, JWS: jws})
		if protocol.FaultOf(err) != protocol.Transient {
			w.Errorf("verify: %v", err)
		}
	})
}

func TestCustomerWithoutAPolicyParksWithTheReason(t *testing.T) {
	each(t, func(w *world) {
		if got, err := w.keeper.ReadTerms(w.Context(), protocol.TermsRequest{Customer: "ACME", Currency: "USD"}); err != nil || got.Policy != "standard/1" {
			w.Errorf("%+v, %v", got, err)
		}
		_, err := w.keeper.ReadTerms(w.Context(), protocol.TermsRequest{Customer: "NOBODY"})
		if protocol.FaultOf(err) != protocol.Rejected || protocol.Words(err) != errNoPolicy.Error() {
			w.Errorf("got %v", err)
		}
	})
}
