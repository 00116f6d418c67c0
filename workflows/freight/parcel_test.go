package freight_test

import (
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"waybill/workflows/freight"
)

// said is an actual scan of the carrier, so many minutes after noon.
func said(m freight.Milestone, minutes int) freight.Scan {
	return freight.Scan{Key: fmt.Sprintf("%s-%d", m, minutes), Source: "carrier", Milestone: m, Classifier: freight.Actual, OccurredAt: noon.Add(time.Duration(minutes) * time.Minute), Carrier: "FASTFRT"}
}

// of is a scan about one parcel.
func of(p freight.ParcelID, s freight.Scan) freight.Scan {
	s.Parcel, s.Key = p, s.Key+string(p)
	return s
}

// takeBack is the source's word that a milestone is not so.
func takeBack(m freight.Milestone, minutes int) freight.Scan {
	s := said(freight.Unclassified, minutes)
	s.Key, s.Reason, s.Retracts = "retracts-"+s.Key+string(m), string(freight.ReasonRetracted), &freight.Retracts{Milestone: m}
	return s
}

// numbered is a scan about the one of n parcels that has this tracking number.
func numbered(p freight.ParcelID, n int, s freight.Scan) freight.Scan {
	s = of(p, s)
	s.Numbered = n
	return s
}

func fold(scans ...freight.Scan) (j freight.Journey) {
	for _, s := range scans {
		j.Apply(s)
	}
	return j
}

// released is a shipment of so many pieces, as Odoo released it, with these scans.
func released(pieces int, scans ...freight.Scan) *freight.Shipment {
	return &freight.Shipment{Release: freight.Release{Pieces: pieces}, Stage: freight.StageTransit, Since: noon, Terms: freight.Terms{POD: freight.PODStatus}, Journey: fold(scans...)}
}

func TestFirstParcelDeliversTheShipmentOnlyWhereThePolicySaysSo(t *testing.T) {
	whole := func(minutes, done, all int) freight.Scan {
		s := said(freight.Delivered, minutes)
		s.Pieces = freight.Pieces{Delivered: done, Expected: all}
		return s
	}
	counted := of("A", said(freight.Delivered, 5))
	counted.Pieces = freight.Pieces{Delivered: 1, Expected: 3}
	leg := func(n, of, minutes int) freight.Scan {
		s := said(freight.Delivered, minutes)
		s.Leg = freight.Position{N: n, Of: of}
		return s
	}
	stop := func(n, of, minutes int) freight.Scan {
		s := said(freight.Delivered, minutes)
		s.Stop = freight.Position{N: n, Of: of}
		return s
	}
	a, b := of("A", said(freight.Delivered, 5)), of("B", said(freight.Delivered, 65))
	for name, tt := range map[string]struct {
		pieces   int
		scans    []freight.Scan
		all      bool
		first    bool
		shortage string
	}{
		"nothing":                                   {2, nil, false, false, ""},
		"the shipment as such":                      {2, []freight.Scan{said(freight.Delivered, 5)}, true, true, ""},
		"the shipment, but fewer pieces":            {2, []freight.Scan{whole(5, 1, 2)}, false, true, "1 of 2 pieces"},
		"the first of two that were released":       {2, []freight.Scan{a}, false, true, "1 of 2 pieces"},
		"both":                                      {2, []freight.Scan{a, b}, true, true, ""},
		"the first, and another was only labelled":  {0, []freight.Scan{a, of("B", said(freight.LabelCreated, 1))}, false, true, "1 of 2 pieces"},
		"the first, which says there are three":     {0, []freight.Scan{counted, b}, false, true, "2 of 3 pieces"},
		"the same parcel twice":                     {2, []freight.Scan{a, of("A", said(freight.Delivered, 9))}, false, true, "1 of 2 pieces"},
		"one that is estimated":                     {1, []freight.Scan{func() freight.Scan { s := a; s.Classifier = freight.Estimated; return s }()}, false, false, ""},
		"the end of a leg that is not the last":     {1, []freight.Scan{leg(1, 2, 5)}, false, false, ""},
		"the end of the last leg":                   {1, []freight.Scan{leg(1, 2, 5), leg(2, 2, 9)}, true, true, ""},
		"one of two stops":                          {1, []freight.Scan{stop(1, 2, 5)}, false, true, "1 of 2 stops"},
		"both stops":                                {1, []freight.Scan{stop(2, 2, 5), stop(1, 2, 9)}, true, true, ""},
		"parcel by parcel, then all of it":          {9, []freight.Scan{a, said(freight.Delivered, 70)}, true, true, ""},
		"the first of three numbers":                {5, []freight.Scan{numbered("A", 3, a)}, false, true, "1 of 3 pieces"},
		"two of three numbers, one piece released":  {1, []freight.Scan{numbered("A", 3, a), numbered("B", 3, b)}, false, true, "2 of 3 pieces"},
		"both numbers, of five pieces released":     {5, []freight.Scan{numbered("A", 2, a), numbered("B", 2, b)}, true, true, ""},
		"both numbers, and a third since":           {5, []freight.Scan{numbered("A", 2, a), numbered("B", 2, b), numbered("C", 3, said(freight.PickedUp, 2))}, false, true, "2 of 3 pieces"},
		"both numbers, of three that are announced": {0, []freight.Scan{numbered("A", 2, counted), numbered("B", 2, b)}, false, true, "2 of 3 pieces"},
	} {
		t.Run(name, func(t *testing.T) {
			s := released(tt.pieces, tt.scans...)
			if s.Delivered() != tt.all || s.Shortage() != tt.shortage {
				t.Errorf("delivered %v, short %q; want %v, %q", s.Delivered(), s.Shortage(), tt.all, tt.shortage)
			}
			if shown := s.Report().Status == freight.StatusDelivered; shown != tt.all {
				t.Errorf("shown as delivered %v", shown)
			}
			s.Terms.Delivery = freight.FirstParcel
			if s.Delivered() != tt.first {
				t.Errorf("by its first parcel: %v, want %v", s.Delivered(), tt.first)
			}
		})
	}
}

func TestShipmentIsNotReturnedOrLostWithTheFirstOfItsNumbers(t *testing.T) {
	for m, status := range map[freight.Milestone]freight.Status{freight.Returned: freight.StatusReturned, freight.Lost: freight.StatusLost} {
		first, second := numbered("A", 2, said(m, 5)), numbered("B", 2, said(m, 6))
		if j := fold(said(freight.PickedUp, 1), first); j.Status() != freight.StatusInTransit {
			t.Errorf("one of two %s: shown as %s", m, j.Status())
		}
		if j := fold(said(freight.PickedUp, 1), first, second); j.Status() != status {
			t.Errorf("both %s: shown as %s", m, j.Status())
		}
	}
}

func TestDeliveryByParcelsIsOverWithTheLastOfThem(t *testing.T) {
	j := fold(of("B", said(freight.Delivered, 65)), of("A", said(freight.Delivered, 5)))
	if at := j.DeliveredAt(); !at.Equal(noon.Add(65*time.Minute)) || !j.StatusSince().Equal(at) {
		t.Errorf("over at %s, shown since %s", at, j.StatusSince())
	}
}

func TestShipmentIsExpectedWithItsLastParcel(t *testing.T) {
	eta := func(p freight.ParcelID, said, hours int) freight.Scan {
		return freight.Scan{Key: fmt.Sprint(p, said), Source: "carrier", Milestone: freight.ETAUpdated, Classifier: freight.Estimated, OccurredAt: noon.Add(time.Duration(said) * time.Minute), ETA: noon.Add(time.Duration(hours) * time.Hour), Parcel: p}
	}
	j := fold(eta("", 1, 5), eta("A", 2, 30), eta("A", 3, 24), eta("B", 1, 8))
	if at, _ := j.Expected(); !at.Equal(noon.Add(24 * time.Hour)) {
		t.Errorf("expected %s, want parcel A's newest estimate", at)
	}
	j.Apply(of("A", said(freight.Delivered, 9)))
	if at, _ := j.Expected(); !at.Equal(noon.Add(8 * time.Hour)) {
		t.Errorf("expected %s once A is delivered, want that of B", at)
	}
}

func TestPalletsAndCartonsAreNotComparedWithEachOther(t *testing.T) {
	s := said(freight.Delivered, 5)
	s.Pieces = freight.Pieces{Delivered: 2, Expected: 2, Unit: "pallets"}
	o := said(freight.Delivered, 6)
	o.Pieces = freight.Pieces{Delivered: 39, Expected: 40, Unit: "cartons"}
	if j := fold(s, o); j.Pieces != o.Pieces || j.Complete() {
		t.Errorf("%+v", j.Pieces)
	}
}

func TestRetractionUndoesWhatItsSourceSaidInWhicheverOrder(t *testing.T) {
	delivered, pick := said(freight.Delivered, 5), said(freight.PickedUp, 1)
	named := delivered
	named.Statement = "evt-1"
	byName := takeBack("", 9)
	byName.Retracts = &freight.Retracts{Statement: "evt-1"}
	byTime := takeBack(freight.Delivered, 9)
	byTime.Retracts.At = noon.Add(6 * time.Minute)
	other := takeBack(freight.Delivered, 9)
	other.Source = "tms"
	bills := delivered
	bills.Pieces = freight.Pieces{Delivered: 2, Expected: 2}
	for name, tt := range map[string]struct {
		scans     []freight.Scan
		delivered bool
		pieces    freight.Pieces
	}{
		"taken back":                           {[]freight.Scan{pick, bills, takeBack(freight.Delivered, 9)}, false, freight.Pieces{}},
		"taken back by its name":               {[]freight.Scan{pick, named, byName}, false, freight.Pieces{}},
		"another statement was meant":          {[]freight.Scan{pick, delivered, byName}, true, freight.Pieces{}},
		"another time was meant":               {[]freight.Scan{pick, delivered, byTime}, true, freight.Pieces{}},
		"by another source":                    {[]freight.Scan{pick, bills, other}, true, bills.Pieces},
		"a picked up one":                      {[]freight.Scan{pick, delivered, takeBack(freight.PickedUp, 9)}, true, freight.Pieces{}},
		"delivered after all":                  {[]freight.Scan{pick, delivered, takeBack(freight.Delivered, 9), said(freight.Delivered, 30)}, true, freight.Pieces{}},
		"one of two parcels":                   {[]freight.Scan{of("A", delivered), of("B", delivered), of("B", takeBack(freight.Delivered, 9))}, false, freight.Pieces{}},
		"a parcel that had not been delivered": {[]freight.Scan{of("A", delivered), of("B", takeBack(freight.Delivered, 9)), of("B", said(freight.Delivered, 30))}, true, freight.Pieces{}},
	} {
		permute(tt.scans, func(order []freight.Scan) {
			if j := fold(order...); j.Complete() != tt.delivered || j.Pieces != tt.pieces {
				t.Fatalf("%s: complete %v, pieces %+v", name, j.Complete(), j.Pieces)
			}
		})
	}
	if j := fold(pick, delivered, takeBack(freight.Delivered, 9)); j.Status() != freight.StatusInTransit || !j.Retracted(j.Marks[1]) {
		t.Errorf("status %s; want what the other scans say", j.Status())
	}
}

func TestProofOfADeliveryThatWasTakenBackProvesNothing(t *testing.T) {
	paper := func(s freight.Scan, hash string) freight.Scan {
		s.Documents = []freight.DocumentRef{{Kind: freight.DocumentPOD, SHA256: hash, Signed: true}}
		return s
	}
	first, back, again := said(freight.Delivered, 5), takeBack(freight.Delivered, 30), said(freight.Delivered, 60)
	wrong := paper(said(freight.DocumentReceived, 6), "aa")
	for name, tt := range map[string]struct {
		scans  []freight.Scan
		proved bool
	}{
		"nothing taken back":                          {[]freight.Scan{first, wrong}, true},
		"the paper of the wrong delivery":             {[]freight.Scan{first, wrong, back, again}, false},
		"the paper came with the wrong delivery":      {[]freight.Scan{paper(first, "aa"), back, again}, false},
		"the paper of the right one":                  {[]freight.Scan{first, wrong, back, again, paper(said(freight.DocumentReceived, 61), "bb")}, true},
		"only the time was wrong, and was told again": {[]freight.Scan{first, wrong, func() freight.Scan { s := said(freight.Delivered, 7); s.Source = "driver"; return s }(), back}, true},
	} {
		permute(tt.scans, func(order []freight.Scan) {
			if missing := freight.ProofOf(fold(order...), freight.PODDocument); (missing == "") != tt.proved {
				t.Fatalf("%s: missing %q", name, missing)
			}
		})
	}
}

func TestLaterWordOnOneMilestoneAddsWhatTheFirstDidNotSay(t *testing.T) {
	date := said(freight.Delivered, -12*60)
	date.Precision, date.Reason = freight.ToTheDay, "first"
	exact := said(freight.Delivered, 90)
	exact.Key, exact.Reason, exact.Place = "exact", "second", freight.Location{City: "Gent", Country: "BE"}
	rough := said(freight.Delivered, 91)
	rough.Precision, rough.FaultParty = freight.ToTheMinute, freight.FaultCarrier
	nextDay := said(freight.Delivered, 24*60)
	nextDay.Quantities = []freight.Quantity{{Kind: "weight", Number: "12.5", Unit: "KGM"}}
	permute([]freight.Scan{date, exact, rough, nextDay}, func(order []freight.Scan) {
		m := fold(order...).Occurrence(freight.Delivered)
		if !m.At.Equal(exact.OccurredAt) || m.Precision != freight.ToTheInstant || m.Reason != "first" || m.Place.City != "Gent" || len(m.Quantities) != 0 {
			t.Fatalf("%+v", m)
		}
	})
	guess := said(freight.Delivered, 0)
	guess.ZoneSource = freight.ZoneAssumedUTC
	if m := fold(guess, said(freight.Delivered, 5*60)).Occurrence(freight.Delivered); m.Assumed || !m.At.Equal(noon.Add(5*time.Hour)) {
		t.Errorf("a guessed zone is believed against one that was told: %+v", m)
	}
	if m := fold(guess, said(freight.Delivered, 15*60)).Occurrence(freight.Delivered); !m.Assumed {
		t.Errorf("no zone explains 15 hours, and yet they are one: %+v", m)
	}
}

func TestLongHistoryKeepsItsFirstAndLastStatements(t *testing.T) {
	var scans []freight.Scan
	for i := range 5000 {
		scans = append(scans, said(freight.DepartedFacility, i))
	}
	rapid.Check(t, func(t *rapid.T) {
		var j freight.Journey
		for _, i := range rapid.Permutation(indexes(40)).Draw(t, "order") {
			j.Apply(scans[i*125])
		}
		if len(j.Marks) != 10 || !j.At(freight.DepartedFacility).Equal(noon) || !j.Furthest().At.Equal(scans[39*125].OccurredAt) {
			t.Fatalf("%d marks from %s to %s", len(j.Marks), j.Marks[0].At, j.Furthest().At)
		}
	})
	if j := fold(scans...); len(j.Marks) != 10 || j.Apply(scans[2500]) || !j.Apply(said(freight.DepartedFacility, -1)) {
		t.Errorf("%d marks of 5,000 scans, and one between them is news, or one before them none", len(j.Marks))
	}
}

// oracle knows when a shipment is delivered, from the scans as they were sent, by other means than the journey: it goes
// through what was said of each parcel.
func oracle(scans []freight.Scan, pieces int) bool {
	stands := func(s freight.Scan) bool {
		for _, r := range scans {
			if r.Retracts != nil && r.Source == s.Source && r.Retracts.Milestone == s.Milestone && (r.Parcel == "" || r.Parcel == s.Parcel) && !s.OccurredAt.After(r.OccurredAt) {
				return false
			}
		}
		return true
	}
	done, known, announced, whole, numbers := map[freight.ParcelID]bool{}, map[freight.ParcelID]bool{}, 0, false, 0
	for _, s := range scans {
		if s.Parcel != "" {
			known[s.Parcel] = true
		}
		if s.Retracts != nil || s.Classifier != freight.Actual || s.Milestone != freight.Delivered || !stands(s) {
			continue
		}
		if s.Parcel == "" {
			whole = true
			continue
		}
		done[s.Parcel] = true
		announced, numbers = max(announced, s.Pieces.Expected), max(numbers, s.Numbered)
	}
	if numbers > 0 {
		pieces = numbers
	}
	return whole || len(done) > 0 && len(done) >= max(len(known), announced, pieces)
}

// shipped draws all that happens to a shipment of up to four parcels: its way, estimates, troubles, documents told
// twice, deliveries by two sources, and what these take back.
func shipped(t *rapid.T, least, most int) []freight.Scan {
	milestones := []freight.Milestone{freight.LabelCreated, freight.PickedUp, freight.DepartedFacility, freight.OutForDelivery, freight.DeliveryAttempted, freight.Delivered, freight.Delivered, freight.Delivered, freight.Damaged, freight.Lost, freight.Held, freight.Refused, freight.DocumentReceived}
	one := rapid.Custom(func(t *rapid.T) freight.Scan {
		minute := rapid.IntRange(0, 600).Draw(t, "minute")
		s := said(rapid.SampledFrom(milestones).Draw(t, "milestone"), minute)
		s.Source = rapid.SampledFrom([]string{"carrier", "carrier", "tms"}).Draw(t, "source")
		s.Parcel = rapid.SampledFrom([]freight.ParcelID{"A", "B", "C", "D", "A", "B", "C", ""}).Draw(t, "parcel")
		s.Precision = rapid.SampledFrom([]freight.Precision{freight.ToTheInstant, freight.ToTheMinute, freight.ToTheDay}).Draw(t, "precision")
		s.ZoneSource = rapid.SampledFrom([]freight.ZoneSource{freight.ZoneFromPayload, freight.ZoneAssumedUTC}).Draw(t, "zone")
		s.Reason = rapid.SampledFrom([]string{"", "", "consignee_not_home", "customs_delay"}).Draw(t, "reason")
		switch kind := rapid.IntRange(0, 9).Draw(t, "kind"); {
		case kind == 0:
			s.Classifier, s.ETA = freight.Estimated, noon.Add(time.Duration(minute)*time.Hour)
		case kind == 1:
			s.Retracts = &freight.Retracts{Milestone: s.Milestone}
			s.Milestone = freight.Unclassified
		case kind == 2 && s.Parcel != "":
			s.Pieces = freight.Pieces{Delivered: 1, Expected: rapid.IntRange(1, 5).Draw(t, "pieces")}
		case kind == 3 && s.Parcel != "":
			s.Numbered = rapid.IntRange(2, 4).Draw(t, "numbers")
		}
		if s.Milestone == freight.DocumentReceived || s.Milestone == freight.Delivered && minute%2 == 0 {
			s.Documents = []freight.DocumentRef{{Kind: freight.DocumentPOD, SHA256: fmt.Sprint("hash of document ", minute%3), Signed: minute%5 == 0}}
		}
		b, _ := json.Marshal(s)
		s.Key = fmt.Sprintf("%x", hash(b))
		return s
	})
	return rapid.SliceOfN(one, least, most).Draw(t, "scans")
}

// hash is any number of a text.
func hash(b []byte) (n uint64) {
	for _, c := range b {
		n = n*1099511628211 + uint64(c)
	}
	return n
}

// state is all that anyone reads off a shipment's journey.
func state(s *freight.Shipment) string {
	eta, _ := s.Journey.Expected()
	b, err := json.Marshal([]any{s.Journey, s.Delivered(), s.Shortage(), s.Report(), s.Journey.Troubles(), s.Journey.Doubts(), s.PODWanted(), s.Journey.Proofs(), s.Journey.Carriers(), eta})
	if err != nil {
		panic(err)
	}
	return string(b)
}

func TestAll720OrdersOfSixEventsOfTwoParcelsEndInOneState(t *testing.T) {
	paper := of("A", said(freight.Delivered, 30))
	paper.Documents = []freight.DocumentRef{{Kind: freight.DocumentPOD, SHA256: "aa", Signed: true}}
	attempt := of("B", said(freight.DeliveryAttempted, 31))
	attempt.Reason = string(freight.ReasonConsigneeNotHome)
	date := of("B", said(freight.Delivered, -12*60))
	date.Precision = freight.ToTheDay
	six := []freight.Scan{said(freight.PickedUp, 1), paper, attempt, of("B", said(freight.Delivered, 90)), date, of("A", takeBack(freight.Delivered, 60))}
	want, orders := "", 0
	permute(six, func(order []freight.Scan) {
		orders++
		s := released(2)
		for i, e := range order {
			s.Journey.Apply(e)
			s.Journey.Apply(order[i/2]) // one of those before, again
			if s.Delivered() {
				if seen := order[:i+1]; !oracle(seen, 2) {
					t.Fatalf("order %d: delivered after %d events, and is not", orders, i+1)
				}
			}
		}
		got := state(s)
		if want == "" {
			want = got
		}
		if got != want {
			t.Fatalf("order %d ends in\n%s\nwant\n%s", orders, got, want)
		}
	})
	if s := released(2, six...); orders != 720 || s.Delivered() || s.Shortage() != "1 of 2 pieces" || len(s.Journey.Troubles()) != 0 {
		t.Errorf("%d orders; delivered %v, short %q, troubles %+v", orders, s.Delivered(), s.Shortage(), s.Journey.Troubles())
	}
}

// TestTenThousandLongShipmentsEndInOneStateInAnyOrder has 100 shipments of up to 40 events, each in 100 orders with
// repeats and in any batches, as a story folds them: never delivered before all pieces are, by the oracle.
func TestTenThousandLongShipmentsEndInOneStateInAnyOrder(t *testing.T) {
	runs := 0
	rapid.Check(t, func(t *rapid.T) {
		scans, pieces := shipped(t, 7, 40), rapid.IntRange(0, 5).Draw(t, "released")
		want := state(released(pieces, scans...))
		for range 100 {
			runs++
			order := rapid.Permutation(scans).Draw(t, "order")
			s := released(pieces)
			for i, e := range order {
				s.Journey.Apply(e)
				if i%5 == 0 {
					s.Journey.Apply(order[i/2])
				}
				if i%7 == 0 && s.Delivered() != oracle(order[:i+1], pieces) {
					t.Fatalf("after %d of %d events delivered is %v, by the oracle %v", i+1, len(order), s.Delivered(), !s.Delivered())
				}
			}
			if got := state(s); got != want {
				t.Fatalf("this order ends in\n%s\nwant\n%s", got, want)
			}
			if s.Delivered() != oracle(scans, pieces) {
				t.Fatalf("delivered %v, by the oracle %v", s.Delivered(), !s.Delivered())
			}
		}
		s := released(pieces, scans...)
		for _, e := range scans {
			if s.Journey.Apply(e) {
				t.Fatalf("%s %s was news twice", e.Milestone, e.Key)
			}
		}
	})
	if runs < 10_000 {
		t.Errorf("only %d orders were tried", runs)
	}
}

// TestJourneyThatWasWrittenDownGoesOnAsIfItHadNot: a story hands its journey over at any point.
func TestJourneyThatWasWrittenDownGoesOnAsIfItHadNot(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		scans := shipped(t, 2, 30)
		cut := rapid.IntRange(1, len(scans)-1).Draw(t, "cut")
		before, err := json.Marshal(fold(scans[:cut]...))
		var j freight.Journey
		if err != nil || json.Unmarshal(before, &j) != nil {
			t.Fatal(err)
		}
		for _, s := range scans[cut:] {
			j.Apply(s)
		}
		a, _ := json.Marshal(j)
		b, _ := json.Marshal(fold(scans...))
		if string(a) != string(b) {
			t.Fatalf("handed over after %d:\n%s\nin one:\n%s", cut, a, b)
		}
	})
}

// TestJourneyOfAnEarlierReleaseIsReadOn has marks and a count as they were written before marks had counts of their own.
func TestJourneyOfAnEarlierReleaseIsReadOn(t *testing.T) {
	var j freight.Journey
	old := `{"marks":[{"milestone":"picked_up","at":"2026-11-24T12:01:00Z","key":"p"},{"milestone":"delivered","at":"2026-11-24T12:05:00Z","key":"d"}],"pieces":{"delivered":1,"expected":2}}`
	if err := json.Unmarshal([]byte(old), &j); err != nil {
		t.Fatal(err)
	}
	j.Apply(said(freight.DocumentReceived, 9))
	if j.Complete() || j.Pieces != (freight.Pieces{Delivered: 1, Expected: 2}) {
		t.Errorf("the count is lost: %+v", j.Pieces)
	}
	rest := said(freight.Delivered, 60)
	rest.Pieces = freight.Pieces{Delivered: 2, Expected: 2}
	if j.Apply(rest); !j.Complete() {
		t.Errorf("the rest was delivered: %+v", j)
	}
}

func TestCarriersAreNamedInTheOrderInWhichTheyMovedIt(t *testing.T) {
	second, first := said(freight.OutForDelivery, 50), said(freight.PickedUp, 1)
	second.Carrier, first.Carrier = "LASTMILE", "FASTFRT"
	if cs := fold(second, first).Carriers(); !slices.Equal(cs, []freight.CarrierCode{"FASTFRT", "LASTMILE"}) {
		t.Errorf("%v", cs)
	}
	if !reflect.DeepEqual(fold(second, first), fold(first, second)) {
		t.Error("the order matters")
	}
}
