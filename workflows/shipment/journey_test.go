package shipment_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/mock"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"waybill/workflows/freight"
	"waybill/workflows/protocol"
	"waybill/workflows/shipment"
)

// parcel is a scan about one parcel.
func parcel(p freight.ParcelID, s freight.Scan) freight.Scan {
	s.Parcel, s.Key = p, s.Key+" of "+string(p)
	return s
}

// takenBack is the carrier's word that a milestone is not so.
func takenBack(m freight.Milestone, at time.Time) freight.Scan {
	s := milestone(freight.Unclassified, at)
	s.Key, s.Retracts = "takes back "+string(m), &freight.Retracts{Milestone: m}
	return s
}

// readWrongly takes back what its source never meant, at the time at which it was said to have happened.
func readWrongly(key string, of freight.Scan, at time.Time) freight.Scan {
	s := milestone(freight.Unclassified, at)
	s.Key, s.Source, s.Reason, s.Retracts = key, of.Source, string(freight.ReasonRetracted), &freight.Retracts{Milestone: of.Milestone, At: of.OccurredAt}
	return s
}

func TestDeliveryThatAMappingMadeUpBillsNothingOnceItIsTakenBack(t *testing.T) {
	s := newStory(t)
	var made freight.Scan
	s.at(time.Hour, func() {
		made = milestone(freight.Delivered, s.Now().Add(time.Minute))
		s.scan(milestone(freight.PickedUp, s.Now()), made, pod(s.Now().Add(2*time.Minute)))
	})
	s.at(2*time.Hour, func() {
		if st := s.state(); st.Stage != freight.StageCharges {
			t.Fatalf("stage %s, want it to wait for charges", st.Stage)
		}
		s.scan(readWrongly("r1", made, s.Now()), milestone(freight.DeliveryAttempted, made.OccurredAt), charges(s.Now(), ""))
	})
	s.at(3*time.Hour, func() { s.scan(readWrongly("r2", made, s.Now())) }) // by someone else who found it too
	s.at(4*time.Hour, func() {
		if st := s.state(); st.Stage != freight.StageTransit || st.Journey.Has(freight.Delivered) || len(s.plans) != 0 {
			t.Errorf("stage %s, %d postings", st.Stage, len(s.plans))
		}
		real := milestone(freight.Delivered, s.Now())
		real.Key = "real"
		paper := pod(s.Now())
		paper.Key, paper.Documents[0].SHA256 = "paper", "bb"
		s.scan(real, paper)
	})
	s.at(5*time.Hour, s.paid)
	s.run()
	if s.finished(freight.StageClosed); len(s.plans) != 1 {
		t.Errorf("%d postings", len(s.plans))
	}
}

// reason gives a scan why it happened.
func reason(r freight.Reason, s freight.Scan) freight.Scan {
	s.Reason, s.Key = string(r), s.Key+" "+string(r)
	return s
}

func TestFirstParcelOfTwoBillsNothingAndTheSecondDoes(t *testing.T) {
	s := newStory(t)
	s.at(time.Hour, func() {
		now := s.Now()
		s.scan(milestone(freight.PickedUp, now), parcel("A", milestone(freight.LabelCreated, now)), parcel("B", milestone(freight.LabelCreated, now)),
			parcel("A", milestone(freight.Delivered, now.Add(time.Minute))), pod(now.Add(2*time.Minute)), charges(now.Add(3*time.Minute), ""))
	})
	s.at(2*time.Hour, func() {
		if st := s.state(); st.Stage != freight.StageTransit || st.Shown.Status != freight.StatusOutForDelivery || len(s.plans) != 0 || len(st.Exceptions) != 0 {
			t.Errorf("after the first of two parcels: stage %s, shown %s, %d postings, exceptions %+v", st.Stage, st.Shown.Status, len(s.plans), st.Exceptions)
		}
	})
	s.at(4*24*time.Hour, func() { // the rest is missing for longer than anyone waits in silence
		if es := open(s.state(), freight.PODShort); len(es) != 1 || !strings.Contains(es[0].Ref, "1 of 2 pieces") || len(s.plans) != 0 {
			t.Errorf("exceptions %+v", es)
		}
		s.scan(parcel("B", milestone(freight.Delivered, s.Now())))
	})
	s.at(4*24*time.Hour+time.Hour, s.paid)
	s.run()
	if st := s.finished(freight.StageClosed); len(s.plans) != 1 || st.Shown.Status != freight.StatusDelivered {
		t.Errorf("%d postings, shown %s", len(s.plans), st.Shown.Status)
	}
}

// numberedParcel is a scan about the one of n parcels that has this tracking number.
func numberedParcel(p freight.ParcelID, n int, s freight.Scan) freight.Scan {
	s = parcel(p, s)
	s.Numbered = n
	return s
}

func TestLastTrackingNumberBillsHoweverManyPiecesWereReleased(t *testing.T) {
	s := newStory(t)
	s.pieces = 5
	for i, p := range []freight.ParcelID{"A", "B", "C"} {
		s.at(time.Duration(i+1)*time.Hour, func() {
			if st := s.state(); st.Stage == freight.StageSettlement || len(s.plans) != 0 {
				t.Errorf("after %d of 3 numbers: stage %s, %d postings", i, st.Stage, len(s.plans))
			}
			scans := []freight.Scan{numberedParcel(p, 3, milestone(freight.Delivered, s.Now()))}
			if i == 0 {
				scans = append(scans, milestone(freight.PickedUp, s.Now().Add(-time.Minute)), pod(s.Now()), charges(s.Now(), ""))
			}
			s.scan(scans...)
		})
	}
	s.at(4*time.Hour, s.paid)
	s.run()
	if st := s.finished(freight.StageClosed); len(s.plans) != 1 || st.Shown.Status != freight.StatusDelivered || len(open(st, freight.PODShort)) != 0 {
		t.Errorf("%d postings, shown %s, exceptions %+v", len(s.plans), st.Shown.Status, st.Exceptions)
	}
}

func TestParcelThatNeverComesIsBilledWhenAPersonSaysSo(t *testing.T) {
	s := newStory(t)
	s.at(time.Hour, func() {
		now := s.Now()
		s.scan(milestone(freight.PickedUp, now), parcel("B", milestone(freight.LabelCreated, now)), parcel("A", milestone(freight.Delivered, now)), pod(now), charges(now, ""))
	})
	s.at(3*24*time.Hour, func() { s.resolve(open(s.state(), freight.PODShort)[0].ID, freight.Retry) })
	s.at(3*24*time.Hour+time.Hour, s.paid)
	s.run()
	if s.finished(freight.StageClosed); len(s.plans) != 1 {
		t.Errorf("%d postings", len(s.plans))
	}
}

func TestDeliveryTakenBackBeforeItIsBilledIsWaitedForAgain(t *testing.T) {
	s := newStory(t)
	s.at(time.Hour, func() { s.scan(append(delivered(s.Now())[:5:5], pod(s.Now().Add(5*time.Minute)))...) })
	s.at(2*time.Hour, func() {
		if st := s.state(); st.Stage != freight.StageCharges {
			t.Fatalf("stage %s, want it to wait for charges", st.Stage)
		}
		s.scan(takenBack(freight.Delivered, s.Now()), charges(s.Now(), ""))
	})
	s.at(3*time.Hour, func() {
		if st := s.state(); st.Stage != freight.StageTransit || st.Shown.Status == freight.StatusDelivered || len(s.plans) != 0 || len(st.Exceptions) != 0 {
			t.Errorf("stage %s, shown %s, %d postings, exceptions %+v", st.Stage, st.Shown.Status, len(s.plans), st.Exceptions)
		}
		again := milestone(freight.Delivered, s.Now())
		again.Key = "again"
		s.scan(again)
	})
	s.at(4*time.Hour, func() {
		if st := s.state(); st.Stage != freight.StageProof || len(s.plans) != 0 {
			t.Errorf("stage %s, %d postings: the proof of the delivery that was taken back proves nothing", st.Stage, len(s.plans))
		}
		second := pod(s.Now())
		second.Key, second.Documents[0].SHA256 = "second", "bb"
		s.scan(second)
	})
	s.at(5*time.Hour, s.paid)
	s.run()
	if s.finished(freight.StageClosed); len(s.plans) != 1 {
		t.Errorf("%d postings", len(s.plans))
	}
}

// TestDeliveryTakenBackWhileItIsRatedIsNotPosted has the billing engine answer only after the retraction.
func TestDeliveryTakenBackWhileItIsRatedIsNotPosted(t *testing.T) {
	s := newStory(t)
	down, rate := true, s.rate
	s.rate = func(q protocol.RatingRequest) (freight.Rating, error) {
		if down && len(q.Charges) > 0 {
			return freight.Rating{}, protocol.Transient.Of(errors.New("billing engine is down"))
		}
		return rate(q)
	}
	s.at(time.Hour, func() { s.scan(carried(s.Now(), "")...) })
	s.at(2*time.Hour, func() { s.scan(takenBack(freight.Delivered, s.Now())) })
	s.at(3*time.Hour, func() {
		if st := s.state(); st.Stage != freight.StageTransit {
			t.Errorf("stage %s", st.Stage)
		}
		down = false
	})
	s.at(4*time.Hour, func() {
		if len(s.plans) != 0 {
			t.Errorf("%d postings of what is not delivered", len(s.plans))
		}
		again, paper := milestone(freight.Delivered, s.Now()), pod(s.Now())
		again.Key, paper.Key, paper.Documents[0].SHA256 = "again", "again pod", "bb"
		s.scan(again, paper)
	})
	s.at(5*time.Hour, s.paid)
	s.run()
	if s.finished(freight.StageClosed); len(s.plans) != 1 {
		t.Errorf("%d postings", len(s.plans))
	}
}

func TestDeliveryTakenBackAfterItIsBilledGoesToFinanceUntilItIsDelivered(t *testing.T) {
	for name, back := range map[string]func(told freight.Scan, now time.Time) freight.Scan{
		"by its milestone": func(_ freight.Scan, now time.Time) freight.Scan { return takenBack(freight.Delivered, now) },
		"by its time":      func(told freight.Scan, now time.Time) freight.Scan { return readWrongly("r1", told, now) },
	} {
		t.Run(name+", delivered after all", func(t *testing.T) {
			takesBackAfterBilling(t, back, func(s *story) {
				again := milestone(freight.Delivered, s.Now())
				again.Key = "again"
				s.scan(again)
			})
		})
		t.Run(name+", credited by a person", func(t *testing.T) {
			takesBackAfterBilling(t, back, func(s *story) { s.dismissAll(freight.DeliveryTakenBack) })
		})
	}
}

// takesBackAfterBilling runs a story whose delivery is taken back when it is billed, until end ends what finance was shown.
func takesBackAfterBilling(t *testing.T, back func(told freight.Scan, now time.Time) freight.Scan, end func(*story)) {
	t.Helper()
	s := newStory(t)
	var told []freight.Scan
	s.at(time.Hour, func() {
		told = carried(s.Now(), "")
		s.scan(told...)
	})
	s.at(2*time.Hour, func() { s.scan(back(told[4], s.Now())) })
	s.at(3*time.Hour, s.paid)
	looked := false
	s.at(4*time.Hour, func() {
		looked = true
		st := s.state()
		es := open(st, freight.DeliveryTakenBack)
		if st.Stage != freight.StageSettlement || len(es) != 1 || es[0].Owner != freight.Finance || st.Shown.Exception == "" || st.Shown.Status == freight.StatusDelivered {
			t.Errorf("stage %s, exceptions %+v, shown %+v; want it open though paid", st.Stage, st.Exceptions, st.Shown)
		}
		end(s)
	})
	s.run()
	if st := s.finished(freight.StageClosed); len(s.plans) != 1 || !looked {
		t.Errorf("%d postings, closed before anyone looked %v, exceptions %+v", len(s.plans), !looked, st.Exceptions)
	}
}

func TestTroubleOpensItsOwnExceptionWhichTheEventThatCuresItCloses(t *testing.T) {
	for name, tt := range map[string]struct {
		kind        freight.ExceptionKind
		owner       freight.Owner
		event, cure freight.Scan
	}{
		"nobody home":       {freight.AttemptFailed, freight.CustomerService, reason(freight.ReasonConsigneeNotHome, milestone(freight.DeliveryAttempted, noon)), milestone(freight.OutForDelivery, noon)},
		"refused":           {freight.DeliveryRefused, freight.CustomerService, milestone(freight.Refused, noon), milestone(freight.OutForDelivery, noon)},
		"on its way back":   {freight.ReturnToSender, freight.Operations, milestone(freight.Returning, noon), milestone(freight.OutForDelivery, noon)},
		"lost":              {freight.FreightLost, freight.Operations, milestone(freight.Lost, noon), milestone(freight.ArrivedAtFacility, noon)},
		"held in customs":   {freight.HeldInCustoms, freight.Operations, reason(freight.ReasonCustomsDocuments, milestone(freight.Held, noon)), milestone(freight.CustomsReleased, noon)},
		"no such address":   {freight.AddressProblem, freight.CustomerService, reason(freight.ReasonCarrierAddress, milestone(freight.DeliveryAttempted, noon)), milestone(freight.Reconsigned, noon)},
		"damaged, for good": {freight.FreightDamaged, freight.Operations, milestone(freight.Damaged, noon), freight.Scan{}},
	} {
		t.Run(name, func(t *testing.T) {
			s := newStory(t)
			s.at(time.Hour, func() {
				tt.event.OccurredAt = s.Now().Add(90 * time.Second)
				s.scan(append(carried(s.Now(), "")[:2], tt.event)...)
			})
			s.at(2*time.Hour, func() {
				es := open(s.state(), tt.kind)
				if len(s.openKinds()) != 1 || len(es) != 1 {
					t.Fatalf("open %v, want only %s", s.openKinds(), tt.kind)
				}
				last := s.statuses[len(s.statuses)-1].Report
				if es[0].Owner != tt.owner || !strings.HasPrefix(last.Exception, string(tt.kind)) || last.Owner != tt.owner || !last.Due.Equal(es[0].DueBy) || last.Next != es[0].Advice {
					t.Errorf("exception %+v, shown in Odoo as %+v", es[0], last)
				}
				if tt.cure.Milestone != "" {
					tt.cure.OccurredAt = s.Now()
					s.scan(tt.cure)
				} else {
					s.dismissAll(tt.kind)
				}
			})
			s.at(3*time.Hour, func() {
				if last := s.statuses[len(s.statuses)-1].Report; len(s.openKinds()) != 0 || last.Exception != "" || last.Next != "" || !last.Due.IsZero() {
					t.Errorf("after its cure open %v, shown %+v", s.openKinds(), last)
				}
				s.scan(carried(s.Now(), "")[4:]...)
			})
			s.at(4*time.Hour, s.paid)
			s.run()
			if s.finished(freight.StageClosed); len(s.plans) != 1 {
				t.Errorf("%d postings", len(s.plans))
			}
		})
	}
}

// TestTroubleThatIsOverWhenWeHearOfItOpensNothing: partners send in any order.
func TestTroubleThatIsOverWhenWeHearOfItOpensNothing(t *testing.T) {
	s := newStory(t)
	s.at(time.Hour, func() {
		now := s.Now()
		s.scan(carried(now, "")...)
		s.scan(reason(freight.ReasonConsigneeNotHome, milestone(freight.DeliveryAttempted, now.Add(2*time.Minute))))
	})
	s.at(2*time.Hour, s.paid)
	s.run()
	if st := s.finished(freight.StageClosed); len(st.Exceptions) != 0 {
		t.Errorf("exceptions %+v", st.Exceptions)
	}
}

func TestTroubleThatAPersonHasAnsweredComesAgainOnlyWhenItHappensAgain(t *testing.T) {
	s := newStory(t)
	attempt := func(minutes time.Duration) freight.Scan {
		a := milestone(freight.DeliveryAttempted, s.Now().Add(minutes*time.Minute))
		a.Key += minutes.String()
		return a
	}
	s.at(time.Hour, func() { s.scan(append(carried(s.Now(), "")[:2], attempt(2))...) })
	s.at(2*time.Hour, func() { s.dismissAll(freight.AttemptFailed); s.scan(milestone(freight.InTransit, s.Now())) })
	s.at(3*time.Hour, func() {
		if len(s.openKinds()) != 0 {
			t.Errorf("open %v though a person has answered", s.openKinds())
		}
		s.scan(attempt(0))
	})
	s.at(4*time.Hour, func() {
		if !slices.Equal(s.openKinds(), []freight.ExceptionKind{freight.AttemptFailed}) {
			t.Errorf("open %v after a second attempt", s.openKinds())
		}
		s.scan(carried(s.Now(), "")[4:]...)
	})
	s.at(5*time.Hour, s.paid)
	s.run()
	s.finished(freight.StageClosed)
}

func TestContradictionHoldsTheInvoiceUntilItIsTakenBackOrAPersonHasLooked(t *testing.T) {
	for name, end := range map[string]func(*story){
		"a person has looked": func(s *story) { s.dismissAll(freight.StatusContradictory) },
		"it was taken back":   func(s *story) { s.scan(takenBack(freight.Lost, s.Now())) },
	} {
		t.Run(name, func(t *testing.T) {
			s := newStory(t)
			s.at(time.Hour, func() { s.scan(append(carried(s.Now(), ""), milestone(freight.Lost, s.Now().Add(30*time.Minute)))...) })
			s.at(2*time.Hour, func() {
				if !slices.Contains(s.openKinds(), freight.StatusContradictory) || len(s.plans) != 0 {
					t.Errorf("open %v, %d postings of freight that is delivered and lost", s.openKinds(), len(s.plans))
				}
				end(s)
			})
			s.at(3*time.Hour, func() { s.dismissAll(freight.FreightLost); s.paid() })
			s.run()
			if s.finished(freight.StageClosed); len(s.plans) != 1 {
				t.Errorf("%d postings", len(s.plans))
			}
		})
	}
}

// watched are terms by which the promise is watched.
func watched() *freight.Terms {
	w := terms()
	w.SLA = &freight.SLATerms{Buffer: 12 * time.Hour, Stops: []freight.FaultParty{freight.FaultConsignee}}
	return w
}

// laned are terms by which the promise is watched, on a lane that is known.
func laned() *freight.Terms {
	w := watched()
	w.SLA.Lanes = []freight.Lane{{Country: "US", P90: 24 * time.Hour}}
	return w
}

func (s *story) runWatched() {
	s.ExecuteWorkflow(protocol.Shipment.Name, protocol.ShipmentInput{ID: shipmentID, Picking: 7, ReleasedBy: "odoo-scan", Terms: watched()})
}

func TestPromiseGoesFromUnknownToAtRiskToLateAndOdooShowsIt(t *testing.T) {
	s := newStory(t)
	shown := func() freight.SLAState { return s.statuses[len(s.statuses)-1].Report.SLA }
	s.at(time.Hour, func() { s.scan(carried(s.Now(), "")[:2]...) })
	s.at(4*24*time.Hour, func() {
		if st := s.state(); st.SLA == nil || st.SLA.State != freight.Unknown || shown() != freight.Unknown || !strings.Contains(shipment.Details(st), "unknown, due ") || len(st.Exceptions) != 0 {
			t.Errorf("a day before its end the promise is %+v, shown as %q", st.SLA, shown())
		}
	})
	s.at(4*24*time.Hour+13*time.Hour, func() {
		if st := s.state(); st.SLA.State != freight.AtRisk || shown() != freight.AtRisk || !slices.Equal(s.openKinds(), []freight.ExceptionKind{freight.DeliveryAtRisk}) {
			t.Errorf("within the buffer it is %+v, shown as %q, open %v", st.SLA, shown(), s.openKinds())
		}
	})
	s.at(5*24*time.Hour+time.Hour, func() {
		st := s.state()
		if st.SLA.State != freight.Late || shown() != freight.Late || !slices.Equal(s.openKinds(), []freight.ExceptionKind{freight.DeliveryOverdue}) || st.SLA.Policy != "default@1" {
			t.Errorf("after its end it is %+v, shown as %q, open %v", st.SLA, shown(), s.openKinds())
		}
		s.scan(carried(s.Now(), "")[4:]...)
	})
	s.at(6*24*time.Hour, s.paid)
	s.runWatched()
	if st := s.finished(freight.StageClosed); st.SLA.State != freight.Late || shown() != freight.Late || s.records[len(s.records)-1].View.SLA != freight.Late {
		t.Errorf("in the end it is %+v, shown as %q", st.SLA, shown())
	}
}

// TestPromiseIsUnknownUntilSomebodySaysWhenItComes, on the order and in the search of shipments, and nobody is alarmed.
func TestPromiseIsUnknownUntilSomebodySaysWhenItComes(t *testing.T) {
	s := newStory(t)
	searched := "" // by what the shipment is found
	s.OnUpsertTypedSearchAttributes(mock.MatchedBy(func(set temporal.SearchAttributes) bool {
		if promise, is := set.GetKeyword(protocol.PromiseAttribute); is {
			searched = promise
		}
		return true
	})).Return(nil)
	s.at(30*time.Minute, func() {
		if st := s.state(); st.SLA.State != freight.OnTime || st.Doubtful {
			t.Errorf("before a carrier has it: %+v", st.SLA)
		}
	})
	s.at(time.Hour, func() { s.scan(carried(s.Now(), "")[0]) })
	s.at(2*time.Hour, func() {
		if st := s.state(); st.SLA.State != freight.Unknown || st.Shown.SLA != freight.Unknown || len(st.Exceptions) != 0 {
			t.Errorf("promise %+v, the order shows %q, exceptions %+v", st.SLA, st.Shown.SLA, st.Exceptions)
		}
		eta := milestone(freight.ETAUpdated, s.Now())
		eta.Classifier, eta.ETA = freight.Estimated, s.Now().Add(48*time.Hour)
		s.scan(eta)
	})
	s.at(3*time.Hour, func() {
		if st := s.state(); st.SLA.State != freight.OnTime || st.Shown.SLA != "" || len(st.Exceptions) != 0 {
			t.Errorf("promise %+v, the order shows %q, exceptions %+v", st.SLA, st.Shown.SLA, st.Exceptions)
		}
		s.left()
	})
	s.at(4*time.Hour, s.paid)
	s.runWatched()
	s.finished(freight.StageClosed)
	if searched != string(freight.Unknown) {
		t.Errorf("found by %q", searched)
	}
}

// TestPromiseWithALaneIsOnTime: there is something to judge it by.
func TestPromiseWithALaneIsOnTime(t *testing.T) {
	s := newStory(t)
	s.at(time.Hour, func() { s.scan(carried(s.Now(), "")[0]) })
	s.at(2*time.Hour, func() {
		if st := s.state(); st.SLA.State != freight.OnTime || st.Doubtful {
			t.Errorf("promise %+v", st.SLA)
		}
		s.left()
	})
	s.at(4*time.Hour, s.paid)
	s.ExecuteWorkflow(protocol.Shipment.Name, protocol.ShipmentInput{ID: shipmentID, Picking: 7, ReleasedBy: "odoo-scan", Terms: laned()})
	s.finished(freight.StageClosed)
}

// TestPromiseOfAnEarlierReleaseIsOnTimeUntilTheBuffer, as it was.
func TestPromiseOfAnEarlierReleaseIsOnTimeUntilTheBuffer(t *testing.T) {
	s := newStory(t)
	s.OnGetVersion(mock.Anything, workflow.DefaultVersion, workflow.Version(1)).Return(workflow.DefaultVersion)
	s.at(time.Hour, func() { s.scan(carried(s.Now(), "")[:2]...) })
	s.at(2*time.Hour, func() {
		if st := s.state(); st.SLA.State != freight.OnTime || st.Shown.SLA != "" {
			t.Errorf("promise %+v, the order shows %q", st.SLA, st.Shown.SLA)
		}
		s.scan(carried(s.Now(), "")[2:]...)
	})
	s.at(4*time.Hour, s.paid)
	s.runWatched()
	s.finished(freight.StageClosed)
}

func TestClockOfThePromiseStandsWhileNobodyIsHome(t *testing.T) {
	s := newStory(t)
	s.at(3*24*time.Hour, func() {
		s.scan(append(carried(s.Now(), "")[:2], reason(freight.ReasonConsigneeNotHome, milestone(freight.DeliveryAttempted, s.Now().Add(2*time.Minute))))...)
	})
	s.at(8*24*time.Hour, func() {
		if st := s.state(); st.SLA.State != freight.OnTime || !st.SLA.Due.IsZero() || !strings.Contains(shipment.Details(st), "the clock of the promise stands") {
			t.Errorf("after days in which nobody was home: %+v", st.SLA)
		}
		s.scan(carried(s.Now(), "")[3:]...)
	})
	s.at(9*24*time.Hour, s.paid)
	s.runWatched()
	if st := s.finished(freight.StageClosed); st.SLA.State != freight.OnTime || st.Exceptions.Raised(freight.DeliveryOverdue) {
		t.Errorf("in the end %+v, exceptions %+v", st.SLA, st.Exceptions)
	}
}

func TestShipmentInTimeCostsTwoTimersAlsoWhereItsPromiseIsWatched(t *testing.T) {
	s := newStory(t)
	n := s.timers()
	for i, e := range carried(time.Now(), "") {
		s.at(time.Duration(i+1)*time.Hour, func() { e.OccurredAt = s.Now(); s.scan(e) })
	}
	s.at(9*time.Hour, s.paid)
	s.runWatched()
	if st := s.finished(freight.StageClosed); *n != 2 || len(st.Exceptions) != 0 || st.SLA.State != freight.OnTime {
		t.Errorf("%d timers, exceptions %+v, promise %+v", *n, st.Exceptions, st.SLA)
	}
}
