package freight

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// References are the numbers under which partners may speak of the shipment.
func (s *Shipment) References() (rs []Reference) {
	add := func(k ReferenceKind, v string) {
		if v != "" {
			rs = append(rs, Reference{Kind: k, Value: v})
		}
	}
	add(RefShipment, string(s.ID))
	add(RefOrder, s.Release.OrderName)
	add(RefCustomer, s.Release.CustomerPO)
	add(RefBOL, s.Release.PickingName)
	return slices.Concat(rs, s.Booking.References(), s.Release.Known, s.Supplied)
}

// carriers reports whether a number may be a carrier's: it speaks of the freight under it, and can be asked by it.
func (k ReferenceKind) carriers() bool { return k == RefTracking || k == RefPRO || k == RefBOL }

// Numbers are those of the carrier's that the shipment knows. The delivery's own name in Odoo, which partners are given as
// a BOL number, is ours.
func (s *Shipment) Numbers() (rs []Reference) {
	for _, r := range slices.Concat(s.Booking.References(), s.Release.Known, s.Supplied) {
		if r.Kind.carriers() {
			rs = append(rs, r)
		}
	}
	return rs
}

// number is the one that people are shown; "" for none.
func (s *Shipment) number() string {
	if len(s.Supplied) > 0 {
		return cmp.Or(s.Booking.number(), s.Supplied[0].Value)
	}
	return s.Booking.number()
}

// suppliedKept bounds what a shipment carries of numbers: more than a hand gives it.
const suppliedKept = 50

// Supply adds numbers of the carrier's that became known, and returns those that are new. One whose carrier is not said is
// that of the shipment's.
func (s *Shipment) Supply(rs []Reference) (news []Reference) {
	for _, r := range rs {
		r.Value = strings.TrimSpace(r.Value)
		same := func(o Reference) bool { return o.Kind == r.Kind && o.Value == r.Value }
		if !r.Kind.carriers() || slices.ContainsFunc(s.Numbers(), same) || len(s.Supplied) >= suppliedKept {
			continue
		}
		if r.Kind != RefBOL {
			r.Carrier = cmp.Or(r.Carrier, s.Carrier())
		}
		s.Supplied, news = append(s.Supplied, r), append(news, r)
	}
	return news
}

// Numberless reports whether a carrier has accepted freight that is not delivered yet, and the customer's policy has a
// clock for a number of the carrier's, and none is known.
func (s *Shipment) Numberless() bool {
	early := s.Stage == StageFulfilment || s.Stage == StageTransit
	return early && s.Terms.Clocks.Reference > 0 && s.Journey.Accepted() && len(s.Numbers()) == 0
}

// ReferenceDue is when a number of the carrier's should be known; zero where none is looked for, or people have been told
// that this tender has none.
func (s *Shipment) ReferenceDue() time.Time {
	told := func(e Exception) bool { return e.Kind == ReferenceMissing && e.Ref == TenderRef(s.Tenders) }
	if s.Unnumbered.IsZero() || slices.ContainsFunc(s.Exceptions, told) {
		return time.Time{}
	}
	return s.Unnumbered.Add(s.Terms.Clocks.Reference)
}

// TenderRef names the nth tender of a shipment.
func TenderRef(n int) string { return "tender-" + strconv.Itoa(n) }

// Words are a number as a person reads it: "tracking 1Z999 of UPS".
func (r Reference) Words() string {
	if r.Carrier == "" {
		return fmt.Sprintf("%s %s", r.Kind, r.Value)
	}
	return fmt.Sprintf("%s %s of %s", r.Kind, r.Value, r.Carrier)
}

// NumbersAtOnce is how many numbers one message may give.
const NumbersAtOnce = 20

// NumbersGiven are numbers of the carrier's for a shipment, and who has them from where.
type NumbersGiven struct {
	Numbers []Reference `json:"numbers"` // tracking, PRO or BOL, 1 to NumbersAtOnce
	By      string      `json:"by"`      // a person, or "waybill" where they were found registered
	Reason  string      `json:"reason"`
}

// Check says what is wrong with it; nil for nothing.
func (g NumbersGiven) Check() error {
	if len(g.Numbers) == 0 || len(g.Numbers) > NumbersAtOnce {
		return fmt.Errorf("%d numbers: want 1 to %d", len(g.Numbers), NumbersAtOnce)
	}
	for _, r := range g.Numbers {
		if !r.Kind.carriers() || !Nameable(strings.TrimSpace(r.Value)) || len(r.Carrier) > longestText {
			return errors.New("want a tracking, pro or bol number of 1 to " + strconv.Itoa(longestText) + " bytes")
		}
	}
	return CheckPerson(g.By, g.Reason)
}
