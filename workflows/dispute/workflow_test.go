package dispute_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/mock"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/testsuite"
	"go.temporal.io/sdk/workflow"

	"waybill/workflows/dispute"
	"waybill/workflows/freight"
	"waybill/workflows/protocol"
)

func usd(number string) freight.Money { return freight.Money{Number: number, Currency: "USD"} }

func proposal() freight.Proposal {
	return freight.Proposal{Dispute: "acme-7/1", Shipment: "acme-7", Rule: freight.RuleRate, ChargeRef: "C1/2", Code: freight.Detention, Claimed: usd("90.00"), Expected: usd("50.00"), Reason: "detention of 90.00 USD is 40.00 USD over the contract's 50.00 USD", Evidence: []string{"1 started hour over 2 free at 50.00"}}
}

// story runs one dispute, with a shipment that hears it.
type story struct {
	*testsuite.TestWorkflowEnvironment
	t        *testing.T
	verify   func(protocol.DecisionRequest) (protocol.DecisionVerified, error)
	verified []string // documents asked about
	told     []protocol.Settlement
	gone     bool // the shipment is
}

func newStory(t *testing.T) *story {
	var suite testsuite.WorkflowTestSuite
	s := &story{TestWorkflowEnvironment: suite.NewTestWorkflowEnvironment(), t: t}
	s.SetTestTimeout(30 * time.Second)
	s.SetStartWorkflowOptions(client.StartWorkflowOptions{ID: "dispute/acme-7/1", TaskQueue: protocol.QueueStories, WorkflowExecutionTimeout: 100 * 24 * time.Hour})
	protocol.Dispute.Serve(s, dispute.Workflow)
	s.verify = func(q protocol.DecisionRequest) (protocol.DecisionVerified, error) { return answer(q), nil }
	protocol.VerifyDecision.Serve(s, func(_ context.Context, q protocol.DecisionRequest) (protocol.DecisionVerified, error) {
		s.verified = append(s.verified, q.JWS)
		return s.verify(q)
	})
	s.OnSignalExternalWorkflow(mock.Anything, "shipment/acme-7", "", protocol.DisputeSettled.Name, mock.Anything).Return(func(_, _, _, _ string, arg any) error {
		if s.gone {
			return &temporal.UnknownExternalWorkflowExecutionError{}
		}
		m, ok := arg.(protocol.Settlement)
		if !ok {
			return fmt.Errorf("a %T", arg)
		}
		s.told = append(s.told, m)
		return nil
	})
	return s
}

// answer is the verifying activity's: "approve" and "reject" are signed by ann, all else is refused for what it says.
func answer(q protocol.DecisionRequest) (v protocol.DecisionVerified) {
	v.Reply = freight.DecisionReply{Nonce: "n", Document: protocol.SignedDecision{JWS: q.JWS}.Hash(), Applied: true}
	g := freight.Ruling{Dispute: q.Proposal.Dispute, Proposal: q.Proposal.Hash(), ChargeRef: q.Proposal.ChargeRef, Verdict: freight.Approve, Amount: q.Proposal.Claimed, By: "ann", Reason: "gate log"}
	switch q.JWS {
	case "approve":
	case "reject":
		g.Verdict, g.Amount = freight.Reject, q.Proposal.Expected
	default:
		v.Reply.Applied, v.Reply.Refusal = false, q.JWS
		return v
	}
	v.Ruling = &g
	return v
}

func (s *story) at(d time.Duration, f func()) { s.RegisterDelayedCallback(f, d) }

func (s *story) decide(jws string) {
	s.SignalWorkflow(protocol.DecisionMade.Name, protocol.SignedDecision{JWS: jws})
}

func (s *story) run() {
	s.ExecuteWorkflow(protocol.Dispute.Name, protocol.DisputeInput{Proposal: proposal(), RespondBy: s.Now().Add(72 * time.Hour)})
}

func (s *story) state() *freight.Dispute {
	v, err := s.QueryWorkflow(protocol.DisputeState.Name)
	var d freight.Dispute
	if err == nil {
		err = v.Get(&d)
	}
	if err != nil {
		s.t.Fatal(err)
	}
	return &d
}

// ruled fails the test unless the dispute ended with a verdict, and the shipment was told of exactly that decision.
func (s *story) ruled(verdict freight.DisputeVerdict) *freight.Dispute {
	s.t.Helper()
	var g freight.Ruling
	if err := s.GetWorkflowResult(&g); err != nil {
		s.t.Fatal(err)
	}
	if g.Verdict != verdict || len(s.told) != 1 || s.told[0] != (protocol.Settlement{Dispute: "acme-7/1", JWS: string(verdict)}) {
		s.t.Fatalf("ruled %s, told %+v; want %s, told once", g.Verdict, s.told, verdict)
	}
	return s.state()
}

func TestDecisionIsAppliedAndTheShipmentToldWithTheSignedDocument(t *testing.T) {
	for _, verdict := range []freight.DisputeVerdict{freight.Approve, freight.Reject} {
		s := newStory(t)
		s.at(time.Hour, func() { s.decide(string(verdict)) })
		s.run()
		if d := s.ruled(verdict); len(d.Answers) != 1 || !d.Answers[0].Applied || d.JWS != string(verdict) {
			t.Errorf("%s: answers %+v", verdict, d.Answers)
		}
	}
}

func TestEveryRefusedDecisionIsAnsweredAndDecidesNothing(t *testing.T) {
	refusals := []string{"unknown approver", "decision expired at noon: sign it again", "over the limit of 25.00 USD", "the proposal has changed", "this nonce was used by another decision"}
	s := newStory(t)
	for i, why := range refusals {
		s.at(time.Duration(i+1)*time.Hour, func() { s.decide(why) })
	}
	s.at(10*time.Hour, func() {
		d := s.state()
		if d.Ruling != nil || len(d.Answers) != len(refusals) {
			t.Fatalf("ruling %+v, answers %+v", d.Ruling, d.Answers)
		}
		for i, a := range d.Answers {
			if a.Refusal != refusals[i] || a.Applied || a.Document != (protocol.SignedDecision{JWS: refusals[i]}).Hash() {
				t.Errorf("answer %+v, want refused: %s", a, refusals[i])
			}
		}
		s.decide("approve")
	})
	s.run()
	s.ruled(freight.Approve)
}

func TestDecisionThatCannotBeVerifiedIsAnswered(t *testing.T) {
	s := newStory(t)
	s.verify = func(q protocol.DecisionRequest) (protocol.DecisionVerified, error) {
		if q.JWS == "poison" {
			return protocol.DecisionVerified{}, protocol.Poison.Of(errors.New("decision in the store: unexpected end of JSON"))
		}
		return answer(q), nil
	}
	s.at(time.Hour, func() { s.decide("poison") })
	s.at(2*time.Hour, func() {
		if a := s.state().Answers; len(a) != 1 || !strings.Contains(a[0].Refusal, "could not be verified") {
			t.Errorf("answers %+v", a)
		}
		s.decide("reject")
	})
	s.run()
	s.ruled(freight.Reject)
}

// TestRulingOnAnotherProposalDecidesNothing: the store remembers a document for ever, also past a reset.
func TestRulingOnAnotherProposalDecidesNothing(t *testing.T) {
	s := newStory(t)
	s.verify = func(q protocol.DecisionRequest) (protocol.DecisionVerified, error) {
		v := answer(q)
		if q.JWS == "approve" {
			v.Ruling.Proposal = "of another day"
		}
		return v, nil
	}
	s.at(time.Hour, func() { s.decide("approve") })
	s.at(2*time.Hour, func() {
		if d := s.state(); d.Ruling != nil || d.Answers[0].Refusal == "" {
			t.Errorf("ruling %+v, answers %+v", d.Ruling, d.Answers)
		}
		s.decide("reject")
	})
	s.run()
	s.ruled(freight.Reject)
}

func TestSameDocumentAgainIsVerifiedOnceAndNotRefused(t *testing.T) {
	s := newStory(t)
	s.verify = slow(answer) // so it is asked twice
	s.at(time.Hour, func() { s.decide("approve"); s.decide("approve"); s.decide("approve") })
	s.run()
	if d := s.ruled(freight.Approve); len(s.verified) != 2 || len(d.Answers) != 1 || d.Answers[0].Refusal != "" {
		t.Errorf("verified %v, answers %+v", s.verified, d.Answers)
	}
}

// slow lets messages come while a decision is verified.
func slow(f func(protocol.DecisionRequest) protocol.DecisionVerified) func(protocol.DecisionRequest) (protocol.DecisionVerified, error) {
	first := true
	return func(q protocol.DecisionRequest) (protocol.DecisionVerified, error) {
		if first {
			first = false
			return protocol.DecisionVerified{}, protocol.Transient.Of(errors.New("the store is down"))
		}
		return f(q), nil
	}
}

func TestWhoeverDecidesAfterTheRulingIsTold(t *testing.T) {
	s := newStory(t)
	s.verify = slow(answer)
	s.at(time.Hour, func() { s.decide("approve"); s.decide("reject"); s.decide("rubbish") })
	s.run()
	d := s.ruled(freight.Approve)
	if len(d.Answers) != 3 || d.Answers[1].Refusal != "the dispute was decided by ann before" || d.Answers[2].Refusal == "" {
		t.Errorf("answers %+v; want the two after the ruling told so", d.Answers)
	}
}

func TestDisputeNobodyDecidesIsOverdueAndStaysOpen(t *testing.T) {
	s := newStory(t)
	s.at(71*time.Hour, func() {
		if s.state().Overdue {
			t.Error("overdue an hour early")
		}
	})
	s.at(73*time.Hour, func() {
		if d := s.state(); !d.Overdue || d.Ruling != nil || !strings.Contains(dispute.Details(d), "overdue since") {
			t.Errorf("after 73 h: overdue %v, ruling %+v, page %s", d.Overdue, d.Ruling, dispute.Details(d))
		}
		s.decide("reject")
	})
	s.run()
	s.ruled(freight.Reject)
}

func TestShipmentThatIsGoneDoesNotKeepTheDisputeOpen(t *testing.T) {
	s := newStory(t)
	s.gone = true
	s.at(time.Hour, func() { s.decide("approve") })
	s.run()
	if err := s.GetWorkflowError(); err != nil || len(s.told) != 0 || s.state().Ruling == nil {
		t.Errorf("error %v, told %+v, ruling %+v", err, s.told, s.state().Ruling)
	}
}

func TestCancelledDisputeIsWithdrawnAndTheShipmentTold(t *testing.T) {
	s := newStory(t)
	s.verify = func(protocol.DecisionRequest) (protocol.DecisionVerified, error) {
		return protocol.DecisionVerified{}, protocol.Transient.Of(errors.New("the store is down"))
	}
	s.at(time.Hour, func() { s.decide("approve") })
	s.at(time.Hour+time.Minute, s.CancelWorkflow)
	s.run()
	d := s.state()
	if !temporal.IsCanceledError(s.GetWorkflowError()) || len(s.told) != 1 || s.told[0].JWS != "" || !d.Withdrawn {
		t.Fatalf("error %v, told %+v, withdrawn %v", s.GetWorkflowError(), s.told, d.Withdrawn)
	}
	if len(d.Answers) != 1 || !strings.Contains(d.Answers[0].Refusal, "withdrawn") {
		t.Errorf("whoever waited for an answer has %+v", d.Answers)
	}
}

// TestCancellationAndDecisionAtOnceLeaveOneOutcome: the approver, the shipment and the dispute itself must agree.
func TestCancellationAndDecisionAtOnceLeaveOneOutcome(t *testing.T) {
	s := newStory(t)
	s.at(time.Hour, func() { s.decide("approve"); s.CancelWorkflow() })
	s.run()
	d := s.state()
	applied := len(d.Answers) > 0 && d.Answers[0].Applied
	if len(s.told) != 1 || len(d.Answers) != 1 || (s.told[0].JWS == "approve") != applied || (d.Ruling != nil) != applied || d.Withdrawn == applied {
		t.Errorf("ruling %+v, withdrawn %v, told %+v, answers %+v", d.Ruling, d.Withdrawn, s.told, d.Answers)
	}
}

func TestGarbageIsAnsweredAndStopsNothing(t *testing.T) {
	s := newStory(t)
	s.at(time.Hour, func() {
		for _, garbage := range []any{nil, "garbage", 7, map[string]any{}, map[string]any{"jws": strings.Repeat("x", 9000)}} {
			s.SignalWorkflow(protocol.DecisionMade.Name, garbage)
		}
	})
	s.at(73*time.Hour, func() {
		if d := s.state(); !d.Overdue || len(d.Answers) != 5 || len(s.verified) != 0 {
			t.Errorf("overdue %v, answers %+v, verified %v", d.Overdue, d.Answers, s.verified)
		}
		s.decide("approve")
	})
	s.run()
	s.ruled(freight.Approve)
}

func TestAnswersAndWaitingDecisionsAreBounded(t *testing.T) {
	s := newStory(t)
	down := true
	s.verify = func(q protocol.DecisionRequest) (protocol.DecisionVerified, error) {
		if down {
			return protocol.DecisionVerified{}, protocol.Transient.Of(errors.New("the store is down"))
		}
		return answer(q), nil
	}
	s.at(time.Hour, func() {
		for i := range 120 {
			s.decide(fmt.Sprint("flood ", i))
		}
	})
	s.at(time.Hour+time.Minute, func() {
		if d := s.state(); len(d.Answers) != 50 {
			t.Errorf("%d answers are kept", len(d.Answers))
		}
		down = false
	})
	s.at(2*time.Hour, func() { s.decide("approve") })
	s.run()
	if s.ruled(freight.Approve); len(s.verified) > 60 {
		t.Errorf("%d verifications", len(s.verified))
	}
}

// handedOver is what the story gave to its next run.
func (s *story) handedOver() protocol.DisputeInput {
	s.t.Helper()
	var can *workflow.ContinueAsNewError
	if err := s.GetWorkflowError(); !errors.As(err, &can) {
		s.t.Fatalf("want a hand-over, have %v", err)
	}
	var in protocol.DisputeInput
	if err := converter.GetDefaultDataConverter().FromPayloads(can.Input, &in); err != nil {
		s.t.Fatal(err)
	}
	return in
}

// TestHandOverKeepsTheDecisionsThatWait: the store is down, and three people wait for an answer.
func TestHandOverKeepsTheDecisionsThatWait(t *testing.T) {
	s := newStory(t)
	s.verify = func(protocol.DecisionRequest) (protocol.DecisionVerified, error) {
		return protocol.DecisionVerified{}, protocol.Transient.Of(errors.New("the store is down"))
	}
	s.at(time.Hour, func() { s.decide("unknown approver"); s.decide("approve") })
	s.at(time.Hour+time.Minute, func() { s.SetContinueAsNewSuggested(true); s.decide("reject") })
	s.run()
	in := s.handedOver()
	if len(in.Waiting) != 3 || in.Resume.Ruling != nil || len(s.told) != 0 {
		t.Fatalf("handed over %+v, told %+v", in.Waiting, s.told)
	}
	n := newStory(t)
	n.ExecuteWorkflow(protocol.Dispute.Name, in)
	if d := n.ruled(freight.Approve); len(d.Answers) != 3 || d.Answers[0].Refusal != "unknown approver" || d.Answers[2].Refusal == "" {
		t.Errorf("answers after the hand-over %+v", d.Answers)
	}
}

func TestClockIsNotStartedAnewByAHandOver(t *testing.T) {
	s := newStory(t)
	s.at(71*time.Hour, func() { s.SetContinueAsNewSuggested(true); s.decide("unknown approver") })
	s.run()
	in := s.handedOver()
	n := newStory(t)
	n.SetStartTime(in.Resume.OpenedAt.Add(71 * time.Hour))
	n.at(2*time.Hour, func() {
		if !n.state().Overdue {
			t.Error("72 h are over, and nobody says so")
		}
		n.decide("reject")
	})
	n.ExecuteWorkflow(protocol.Dispute.Name, in)
	n.ruled(freight.Reject)
}

func TestPageSaysWhatToDecideAndHow(t *testing.T) {
	p := proposal()
	p.Evidence = make([]string, 500)
	for i := range p.Evidence {
		p.Evidence[i] = strings.Repeat("e", 1000)
	}
	page := dispute.Details(&freight.Dispute{Proposal: p, OpenedAt: time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC), RespondBy: time.Date(2026, 11, 27, 12, 0, 0, 0, time.UTC)})
	for _, want := range []string{"since 2026-11-24 12:00 UTC", "due 2026-11-27 12:00 UTC", "90.00 USD", "50.00 USD", "waybill dispute show acme-7/1", "waybill dispute approve acme-7/1", "waybill dispute reject acme-7/1", "and more"} {
		if !strings.Contains(page, want) {
			t.Errorf("the page does not say %q", want)
		}
	}
	if len(page) > 20_000 {
		t.Errorf("%d bytes", len(page))
	}
}
