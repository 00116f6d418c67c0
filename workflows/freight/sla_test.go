package freight_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"waybill/workflows/freight"
)

// office is Berlin's business week around the end of summer time in 2026: 8 to 17, Monday to Friday, without 24 December.
func office() *freight.Calendar {
	return &freight.Calendar{
		Zone: "Europe/Berlin", Days: []int{1, 2, 3, 4, 5}, Opens: 8 * 60, Closes: 17 * 60, Holidays: []string{"2026-12-24"},
		Offsets: []freight.Offset{{From: time.Date(2026, 3, 29, 1, 0, 0, 0, time.UTC), Minutes: 120}, {From: time.Date(2026, 10, 25, 1, 0, 0, 0, time.UTC), Minutes: 60}},
	}
}

func utc(text string) time.Time {
	at, err := time.Parse("2006-01-02 15:04", text)
	if err != nil {
		panic(err)
	}
	return at
}

func TestBusinessTimeLeavesOutNightsWeekendsHolidaysAndFollowsTheClock(t *testing.T) {
	for _, tt := range []struct {
		from, to string
		hours    float64
	}{
		{"2026-11-24 07:00", "2026-11-24 16:00", 9}, // 8 to 17 in winter
		{"2026-10-23 06:00", "2026-10-23 15:00", 9}, // 8 to 17 in summer
		{"2026-10-23 14:00", "2026-10-26 08:00", 2}, // Friday 16:00 to Monday 9:00, over the change of the clock
		{"2026-11-27 16:00", "2026-11-30 07:00", 0}, // the weekend
		{"2026-12-23 15:00", "2026-12-25 08:00", 2}, // over a holiday
		{"2026-11-24 02:00", "2026-11-24 05:00", 0}, // the night
		{"2026-11-24 12:00", "2026-11-24 11:00", 0},
	} {
		if got := office().Between(utc(tt.from), utc(tt.to)); got.Hours() != tt.hours {
			t.Errorf("%s to %s: %s, want %v h", tt.from, tt.to, got, tt.hours)
		}
	}
	if never := (&freight.Calendar{Opens: 480, Closes: 1020}).Add(noon, time.Hour); !never.IsZero() {
		t.Errorf("no business at all, and yet an hour of it is over at %s", never)
	}
}

// TestAddingBusinessTimeIsTheInverseOfMeasuringIt: the time that has passed until a promise ends is the promise.
func TestAddingBusinessTimeIsTheInverseOfMeasuringIt(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		from := utc("2026-10-01 00:00").Add(time.Duration(rapid.IntRange(0, 90*24*60).Draw(t, "minute")) * time.Minute)
		d := time.Duration(rapid.IntRange(1, 10*9*60).Draw(t, "promise")) * time.Minute
		for _, c := range []*freight.Calendar{nil, office()} {
			if got := c.Between(from, c.Add(from, d)); got != d {
				t.Fatalf("%s after %s is %s, between them are %s", d, from, c.Add(from, d), got)
			}
		}
	})
}

func slaTerms() *freight.SLATerms {
	return &freight.SLATerms{Buffer: 6 * time.Hour, Margin: time.Hour, Stops: []freight.FaultParty{freight.FaultConsignee, freight.FaultForceMajeure}, Lanes: []freight.Lane{
		{P90: 100 * time.Hour}, {Country: "US", P90: 90 * time.Hour}, {Country: "US", Postcode: "75", P90: 40 * time.Hour},
	}}
}

// promised is a shipment promised within two days of noon.
func promised(scans ...freight.Scan) freight.SLAFacts {
	j := fold(scans...)
	return freight.SLAFacts{Since: noon, Promise: 48 * time.Hour, Journey: j, Delivered: j.Complete(), Policy: "ACME@7"}
}

func estimate(saidAt, hours int) freight.Scan {
	return freight.Scan{Key: fmt.Sprint("eta", saidAt), Source: "carrier", Milestone: freight.ETAUpdated, Classifier: freight.Estimated, OccurredAt: noon.Add(time.Duration(saidAt) * time.Minute), ETA: noon.Add(time.Duration(hours) * time.Hour)}
}

func TestPromiseIsOnTimeAtRiskOrLateWithReasonAndEvidence(t *testing.T) {
	at := func(m freight.Milestone, hours int, r freight.Reason) freight.Scan {
		return because(r, said(m, hours*60))
	}
	guess := at(freight.Delivered, 60, "")
	guess.ZoneSource = freight.ZoneAssumedUTC
	for name, tt := range map[string]struct {
		scans []freight.Scan
		to    freight.Place
		now   int // hours after noon
		state freight.SLAState
		due   int // hours after noon; -1 for a clock that stands
		says  string
	}{
		"just released":                          {nil, freight.Place{}, 0, freight.OnTime, 48, ""},
		"nobody says anything, and it is time":   {nil, freight.Place{}, 43, freight.AtRisk, 48, "nobody says when"},
		"expected in time":                       {[]freight.Scan{estimate(1, 40)}, freight.Place{}, 1, freight.OnTime, 48, ""},
		"expected within the buffer":             {[]freight.Scan{estimate(1, 43)}, freight.Place{}, 1, freight.AtRisk, 48, "carrier's estimate 2026-11-26 07:00 UTC, said at 2026-11-24 12:01 UTC"},
		"expected, and it has not come":          {[]freight.Scan{estimate(1, 20)}, freight.Place{}, 43, freight.AtRisk, 48, "it has not come"},
		"the newest estimate counts":             {[]freight.Scan{estimate(1, 47), estimate(2, 40)}, freight.Place{}, 1, freight.OnTime, 48, ""},
		"the lane is faster than that":           {[]freight.Scan{at(freight.PickedUp, 1, "")}, freight.Place{Country: "US", Postcode: "75001"}, 2, freight.OnTime, 48, ""},
		"the lane takes longer":                  {[]freight.Scan{at(freight.PickedUp, 3, "")}, freight.Place{Country: "US", Postcode: "75001"}, 4, freight.AtRisk, 48, "9 of 10 on this lane take up to 40h"},
		"another lane takes much longer":         {[]freight.Scan{at(freight.PickedUp, 1, ""), estimate(9, 30)}, freight.Place{Country: "US", Postcode: "10001"}, 2, freight.AtRisk, 48, "90h"},
		"over":                                   {nil, freight.Place{}, 49, freight.Late, 48, "not delivered by 2026-11-26 12:00 UTC"},
		"delivered in time":                      {[]freight.Scan{at(freight.Delivered, 47, "")}, freight.Place{}, 90, freight.OnTime, 48, ""},
		"delivered late":                         {[]freight.Scan{at(freight.Delivered, 50, "")}, freight.Place{}, 90, freight.Late, 48, "delivered at 2026-11-26 14:00 UTC, promised by 2026-11-26 12:00 UTC"},
		"delivered late, by a guess":             {[]freight.Scan{guess}, freight.Place{}, 90, freight.Late, 48, "let no penalty rest on it"},
		"the carrier's fault does not stop it":   {[]freight.Scan{at(freight.Delayed, 10, freight.ReasonCarrierMechanical), at(freight.InTransit, 30, "")}, freight.Place{}, 49, freight.Late, 48, "not delivered"},
		"nobody home: it stands":                 {[]freight.Scan{at(freight.DeliveryAttempted, 40, freight.ReasonConsigneeNotHome)}, freight.Place{}, 200, freight.OnTime, -1, "the clock stood from 2026-11-26 04:00 UTC: delivery_attempted consignee_not_home"},
		"nobody home until the next tour":        {[]freight.Scan{at(freight.DeliveryAttempted, 40, freight.ReasonConsigneeNotHome), at(freight.OutForDelivery, 60, "")}, freight.Place{}, 61, freight.OnTime, 68, "the clock stood from 2026-11-26 04:00 UTC to 2026-11-27 00:00 UTC"},
		"and then the carrier is late":           {[]freight.Scan{at(freight.DeliveryAttempted, 40, freight.ReasonConsigneeNotHome), at(freight.Delayed, 50, freight.ReasonCarrierVehicle)}, freight.Place{}, 59, freight.Late, 58, "not delivered"},
		"nobody home when it was late already":   {[]freight.Scan{at(freight.DeliveryAttempted, 50, freight.ReasonConsigneeNotHome)}, freight.Place{}, 51, freight.Late, 48, "not delivered"},
		"snow, twice":                            {[]freight.Scan{at(freight.Delayed, 5, freight.ReasonWeather), at(freight.InTransit, 10, ""), at(freight.Held, 20, freight.ReasonForceMajeure), at(freight.DepartedFacility, 27, "")}, freight.Place{}, 28, freight.OnTime, 60, ""},
		"customs, which the policy does not let": {[]freight.Scan{at(freight.Held, 5, freight.ReasonCustomsDelay), at(freight.CustomsReleased, 30, "")}, freight.Place{}, 49, freight.Late, 48, ""},
	} {
		t.Run(name, func(t *testing.T) {
			f := promised(tt.scans...)
			f.ShipTo = tt.to
			if len(tt.scans) == 0 || tt.to == (freight.Place{}) {
				f.ShipTo = freight.Place{Country: "XX"}
			}
			terms := slaTerms()
			if tt.to == (freight.Place{}) {
				terms.Lanes = nil
			}
			s := freight.Assess(f, terms, freight.SLA{}, noon.Add(time.Duration(tt.now)*time.Hour))
			due := noon.Add(time.Duration(tt.due) * time.Hour)
			if tt.due < 0 {
				due = time.Time{}
			}
			text := s.Reason + "; " + strings.Join(s.Evidence, "; ")
			if s.State != tt.state || !s.Due.Equal(due) || !strings.Contains(text, tt.says) {
				t.Errorf("%s, due %s: %s; want %s, %s, that says %q", s.State, s.Due, text, tt.state, due, tt.says)
			}
			if s.State != freight.OnTime && (s.Policy != "ACME@7" || s.Reason == "") {
				t.Errorf("decided by %q because of %q", s.Policy, s.Reason)
			}
		})
	}
}

func TestPromiseIsUnknownWhereNothingSaysWhenItComesAndItIsNotYetTime(t *testing.T) {
	for name, tt := range map[string]struct {
		scans  []freight.Scan
		lanes  []freight.Lane
		doubts bool
		now    int // hours after noon
		state  freight.SLAState
	}{
		"nobody says anything":                 {nil, nil, true, 1, freight.Unknown},
		"an earlier release":                   {nil, nil, false, 1, freight.OnTime},
		"the carrier says":                     {[]freight.Scan{estimate(1, 40)}, nil, true, 2, freight.OnTime},
		"its lane is known":                    {nil, []freight.Lane{{Country: "US", P90: time.Hour}}, true, 1, freight.OnTime},
		"another lane is known":                {nil, []freight.Lane{{Country: "CA", P90: time.Hour}}, true, 1, freight.Unknown},
		"nobody says anything, and it is time": {nil, nil, true, 43, freight.AtRisk},
		"over":                                 {nil, nil, true, 49, freight.Late},
		"delivered":                            {[]freight.Scan{said(freight.Delivered, 60)}, nil, true, 2, freight.OnTime},
	} {
		t.Run(name, func(t *testing.T) {
			f, terms := promised(tt.scans...), slaTerms()
			f.Doubts, f.ShipTo, terms.Lanes = tt.doubts, freight.Place{Country: "US"}, tt.lanes
			s := freight.Assess(f, terms, freight.SLA{}, noon.Add(time.Duration(tt.now)*time.Hour))
			if s.State != tt.state || s.State == freight.Unknown && (s.Reason == "" || !s.Expected.IsZero() || s.Due.IsZero()) {
				t.Errorf("%+v, want %s", s, tt.state)
			}
		})
	}
}

func TestPromiseInBusinessTimeEndsInBusinessTime(t *testing.T) {
	f := promised()
	f.Promise = 18 * time.Hour // two days of nine hours
	terms := slaTerms()
	terms.Calendar = office()
	s := freight.Assess(f, terms, freight.SLA{}, noon)
	if want := utc("2026-11-26 12:00"); !s.Due.Equal(want) {
		t.Errorf("due %s, want %s: Tuesday noon, and two days of business", s.Due, want)
	}
}

func TestNothingPromisedIsNothingDecided(t *testing.T) {
	none := promised()
	none.Promise = 0
	for _, s := range []freight.SLA{freight.Assess(none, slaTerms(), freight.SLA{}, noon), freight.Assess(promised(), nil, freight.SLA{}, noon)} {
		if b, _ := json.Marshal(s); s.State != "" {
			t.Errorf("%s", b)
		}
	}
}

// TestEstimateThatGoesToAndFroWithinTheMarginChangesThePromiseOnceAtMost is the law against alarms that nobody reads.
func TestEstimateThatGoesToAndFroWithinTheMarginChangesThePromiseOnceAtMost(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		center := rapid.IntRange(30*60, 46*60).Draw(t, "around")
		jitter := rapid.SliceOfN(rapid.IntRange(-29, 30), 2, 60).Draw(t, "to and fro") // less than the margin of an hour apart
		was := freight.SLA{State: rapid.SampledFrom([]freight.SLAState{freight.OnTime, freight.AtRisk}).Draw(t, "was")}
		changes := 0
		for i, by := range jitter {
			s := promised(estimate(i, 0))
			s.Journey.ETA = noon.Add(time.Duration(center+by) * time.Minute)
			terms := slaTerms()
			terms.Lanes = nil
			is := freight.Assess(s, terms, was, noon.Add(time.Duration(i)*time.Minute))
			if is.State != was.State {
				changes++
			}
			was = is
		}
		if changes > 1 {
			t.Fatalf("%d changes of an estimate around %d minutes that moves by less than the margin", changes, center)
		}
	})
}

// TestPromiseIsJudgedByItsArgumentsAloneAndItsClockOnlyByFaultsThatStopIt compares a shipment with one that had a fault
// more on its way.
func TestPromiseIsJudgedByItsArgumentsAloneAndItsClockOnlyByFaultsThatStopIt(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		from, length := rapid.IntRange(0, 47).Draw(t, "from"), rapid.IntRange(1, 40).Draw(t, "length")
		why := rapid.SampledFrom(freight.Reasons()).Draw(t, "reason")
		now := noon.Add(time.Duration(from+length+1) * time.Hour)
		stopped := promised(because(why, said(freight.Held, from*60)), said(freight.InTransit, (from+length)*60))
		a, b := freight.Assess(stopped, slaTerms(), freight.SLA{}, now), freight.Assess(stopped, slaTerms(), freight.SLA{}, now)
		if x, y := fmt.Sprint(a), fmt.Sprint(b); x != y {
			t.Fatalf("asked twice:\n%s\n%s", x, y)
		}
		want := noon.Add(48 * time.Hour)
		if slices.Contains(slaTerms().Stops, why.FaultParty()) {
			want = want.Add(time.Duration(length) * time.Hour)
		}
		if !a.Due.Equal(want) {
			t.Fatalf("%s, which is the fault of %s, for %d hours: due %s, want %s", why, why.FaultParty(), length, a.Due, want)
		}
	})
}

// TestStoryIsWokenWheneverThePromiseMayStandOtherwise: between two looks nothing changes by time alone.
func TestStoryIsWokenWheneverThePromiseMayStandOtherwise(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var scans []freight.Scan
		if rapid.Bool().Draw(t, "estimated") {
			scans = append(scans, estimate(0, rapid.IntRange(1, 60).Draw(t, "eta")))
		}
		terms := slaTerms()
		terms.Lanes = nil
		f := promised(scans...)
		f.Doubts = rapid.Bool().Draw(t, "doubts")
		was := freight.Assess(f, terms, freight.SLA{}, noon)
		looked := noon
		for minute := 1; minute < 60*60; minute += 7 {
			now := noon.Add(time.Duration(minute) * time.Minute)
			is := freight.Assess(f, terms, was, now)
			if next := was.NextLook(terms); is.State != was.State && (next.IsZero() || next.After(now)) {
				t.Fatalf("at %s it is %s, was %s since %s, and would be looked at at %s", now, is.State, was.State, looked, next)
			}
			was, looked = is, now
		}
		if was.State != freight.Late {
			t.Fatalf("in the end it is %s", was.State)
		}
	})
}
