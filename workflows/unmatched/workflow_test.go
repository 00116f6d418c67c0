package unmatched_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/testsuite"
	"go.temporal.io/sdk/workflow"

	"waybill/workflows/freight"
	"waybill/workflows/protocol"
	"waybill/workflows/unmatched"
)

// shelf stands in the store's place: it holds references until they are assigned or discarded.
type shelf struct {
	mu     sync.Mutex
	waits  []string
	placed map[string]freight.PlaceReply // by request
	did    []string
	down   bool
}

func newShelf(waits ...string) *shelf {
	return &shelf{waits: waits, placed: map[string]freight.PlaceReply{}}
}

var errDown = protocol.Transient.Of(errors.New("the store is down"))

func (s *shelf) read(_ context.Context, q protocol.UnmatchedRequest) (freight.Unmatched, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.look(q.Source), nil
}

func (s *shelf) look(source string) freight.Unmatched {
	at := time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
	u := freight.Unmatched{Source: source, Owner: "transport team", Contact: "transport@example.com", Scans: len(s.waits), Since: at, At: at}
	for _, w := range s.waits {
		u.Waiting = append(u.Waiting, freight.UnmatchedRef{Reference: w, Kind: freight.RefPRO, Carrier: "FASTFRT", Scans: 1, Milestone: freight.PickedUp, OccurredAt: at, Since: at, Why: "no shipment has these references",
			Candidates: []freight.Candidate{{Shipment: "acme-7", Why: "has this pro, of carrier DHL instead of FASTFRT"}}})
	}
	return u
}

func (s *shelf) place(_ context.Context, q freight.PlaceRequest) (p protocol.Placed, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.down {
		return p, errDown
	}
	reply, ok := s.placed[q.ID]
	if !ok {
		reply = freight.PlaceReply{ID: q.ID, At: time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC), Refusal: "nothing waits under " + q.Reference}
		for i, w := range s.waits {
			if w == q.Reference {
				s.waits, reply.Refusal, reply.Scans = append(append([]string{}, s.waits[:i]...), s.waits[i+1:]...), "", 1
				s.did = append(s.did, fmt.Sprintf("%s %s %s", q.Action, q.Reference, q.Shipment))
				break
			}
		}
		s.placed[q.ID] = reply
	}
	return protocol.Placed{Reply: reply, Unmatched: s.look(q.Source)}, nil
}

// fail lets the store be down, or up again.
func (s *shelf) fail(down bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.down = down
}

// empty lets all that waits be taken by itself.
func (s *shelf) empty() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.waits = nil
}

func assign(id, reference string) freight.PlaceRequest {
	return freight.PlaceRequest{ID: id, Action: freight.Assign, Source: "tms", Reference: reference, Shipment: "acme-7", By: "ann", Reason: "asked the carrier"}
}

func discard(id, reference string) freight.PlaceRequest {
	return freight.PlaceRequest{ID: id, Action: freight.Discard, Source: "tms", Reference: reference, By: "ann", Reason: "not ours"}
}

// story runs the workflow of source tms on a shelf.
type story struct {
	*testsuite.TestWorkflowEnvironment
	*shelf
	t *testing.T
}

func newStory(t *testing.T, waits ...string) *story {
	var suite testsuite.WorkflowTestSuite
	s := &story{suite.NewTestWorkflowEnvironment(), newShelf(waits...), t}
	s.SetTestTimeout(30 * time.Second)
	s.SetStartWorkflowOptions(client.StartWorkflowOptions{ID: "unmatched/tms", TaskQueue: protocol.QueueStories, WorkflowExecutionTimeout: 100 * 24 * time.Hour})
	protocol.Unmatched.Serve(s, unmatched.Workflow)
	protocol.ReadUnmatched.Serve(s, s.read)
	protocol.PlaceUnmatched.Serve(s, s.place)
	return s
}

func (s *story) at(d time.Duration, f func()) { s.RegisterDelayedCallback(f, d) }

func (s *story) ask(m any) { s.SignalWorkflow(protocol.PlaceAsked.Name, m) }

func (s *story) run() {
	s.ExecuteWorkflow(protocol.Unmatched.Name, protocol.UnmatchedInput{Source: "tms"})
}

func (s *story) state() (u freight.Unmatched) {
	v, err := s.QueryWorkflow(protocol.UnmatchedState.Name)
	if err == nil {
		err = v.Get(&u)
	}
	if err != nil {
		s.t.Fatal(err)
	}
	return u
}

// replied fails the test unless these requests were answered, in this order; with "!" they were refused.
func (s *story) replied(want ...string) {
	s.t.Helper()
	var got []string
	for _, r := range s.state().Replies {
		text := r.ID
		if r.Refusal != "" {
			text += "!"
		}
		got = append(got, text)
	}
	if strings.Join(got, " ") != strings.Join(want, " ") {
		s.t.Errorf("replied %v, want %v: %+v", got, want, s.state().Replies)
	}
}

func TestItShowsWhatWaitsAndEndsWhenNothingDoes(t *testing.T) {
	s := newStory(t, "P1", "P2")
	s.at(time.Minute, func() {
		if u := s.state(); u.Scans != 2 || u.Owner != "transport team" {
			t.Errorf("%+v", u)
		}
		s.ask(assign("q1", "P1"))
	})
	s.at(2*time.Minute, func() { s.ask(discard("q2", "P2")) })
	s.run()
	if err := s.GetWorkflowError(); err != nil {
		t.Fatal(err)
	}
	s.replied("q1", "q2")
	if got := strings.Join(s.did, ", "); got != "assign P1 acme-7, discard P2 " {
		t.Errorf("did %q", got)
	}
}

func TestTheSameRequestAgainIsCarriedOutOnce(t *testing.T) {
	s := newStory(t, "P1", "P2")
	s.at(time.Minute, func() {
		s.ask(assign("q1", "P1"))
		s.ask(assign("q1", "P1"))
		s.ask(assign("q2", "P1"))
		s.ask(discard("q3", "P2"))
	})
	s.run()
	s.replied("q1", "q2!", "q3")
	if len(s.did) != 2 {
		t.Errorf("did %q", s.did)
	}
}

func TestBadRequestsAreAnsweredAndChangeNothing(t *testing.T) {
	s := newStory(t, "P1")
	other := assign("q2", "P1")
	other.Source = "edi"
	s.at(time.Minute, func() {
		for _, bad := range []any{nil, "garbage", 7, map[string]any{"id": "q1"}, other} {
			s.ask(bad)
		}
	})
	s.at(time.Hour, func() {
		if n := len(s.state().Replies); n != 5 || len(s.did) != 0 {
			t.Errorf("%d replies, did %q", n, s.did)
		}
		s.ask(discard("q3", "P1"))
	})
	s.run()
	s.replied("!", "!", "!", "!", "q2!", "q3")
}

func TestWhatIsTakenByItselfIsNoticedByANoticeOrInTime(t *testing.T) {
	for name, notice := range map[string]bool{"by a notice": true, "in time": false} {
		t.Run(name, func(t *testing.T) {
			s := newStory(t, "P1")
			var ended time.Duration
			began := s.Now()
			s.at(time.Minute, func() {
				s.empty()
				if notice {
					s.SignalWorkflow(protocol.UnmatchedSeen.Name, protocol.UnmatchedNotice{})
				}
			})
			s.run()
			if ended = s.Now().Sub(began); s.GetWorkflowError() != nil || notice && ended > 2*time.Minute || ended > time.Hour {
				t.Errorf("ended after %s, %v", ended, s.GetWorkflowError())
			}
		})
	}
}

func TestAStoreThatIsDownDelaysTheAnswerAndChangesNone(t *testing.T) {
	s := newStory(t, "P1")
	s.at(time.Minute, func() {
		s.fail(true)
		s.ask(assign("q1", "P1"))
	})
	s.at(time.Minute+10*time.Second, func() {
		s.fail(false)
	})
	s.run()
	s.replied("q1")
}

func TestRequestsThatWaitAreCarriedOverToAFreshRun(t *testing.T) {
	s := newStory(t, "P1", "P2", "P3")
	s.at(time.Minute, func() {
		s.fail(true)
		s.ask(assign("q1", "P1"))
		s.ask(discard("q2", "P2"))
		for range 300 {
			s.SignalWorkflow(protocol.UnmatchedSeen.Name, protocol.UnmatchedNotice{Scans: 3})
		}
	})
	s.run()
	var next *workflow.ContinueAsNewError
	if !errors.As(s.GetWorkflowError(), &next) {
		t.Fatal(s.GetWorkflowError())
	}
	var in protocol.UnmatchedInput
	if err := converter.GetDefaultDataConverter().FromPayloads(next.Input, &in); err != nil || in.Resume == nil || in.Resume.Scans != 3 || len(in.Waiting) != 2 || in.Waiting[0].ID != "q1" {
		t.Fatalf("%+v, %v", in, err)
	}
	again := newStory(t, "P1", "P2", "P3")
	again.at(time.Minute, func() { again.ask(discard("q3", "P3")) })
	again.ExecuteWorkflow(protocol.Unmatched.Name, in)
	again.replied("q1", "q2", "q3")
}

func TestCancelledItAnswersThoseWhoWait(t *testing.T) {
	s := newStory(t, "P1")
	s.at(time.Minute, func() {
		s.fail(true)
		s.ask(assign("q1", "P1"))
	})
	s.at(time.Minute+10*time.Second, s.CancelWorkflow)
	s.run()
	if s.GetWorkflowError() == nil {
		t.Error("it was not cancelled")
	}
	s.replied("q1!")
}

// TestThePageSaysWhatWaitsAndHowToAnswer in words that can be copied.
func TestThePageSaysWhatWaitsAndHowToAnswer(t *testing.T) {
	u := newShelf("P1|x").look("tms")
	u.Answer(freight.PlaceReply{ID: "q", Refusal: "there is no shipment acme-9"})
	page := unmatched.Details(&u)
	for _, want := range []string{"no shipment took: 1, since 2026-11-24 12:00 UTC", "transport team, transport@example.com", "waybill exception assign tms REFERENCE SHIPMENT --reason", "waybill exception discard tms",
		"| P1/x pro FASTFRT | 1 | picked_up 2026-11-24 12:00 UTC", "acme-7: has this pro, of carrier DHL instead of FASTFRT", "Last refused", "there is no shipment acme-9"} {
		if !strings.Contains(page, want) {
			t.Errorf("not in it: %s\n%s", want, page)
		}
	}
	for i := range freight.UnmatchedShown * 50 {
		u.Waiting = append(u.Waiting, freight.UnmatchedRef{Reference: strings.Repeat("9", 190), Why: fmt.Sprint(i)})
	}
	if n := len(unmatched.Details(&u)); n > 20_000 {
		t.Errorf("a page of %d bytes", n)
	}
}
