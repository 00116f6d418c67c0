package freight

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Trouble is something that has happened to the freight and that a person must see to, until a later event cures it.
type Trouble struct {
	Kind   ExceptionKind
	Ref    string // the parcel, and when: the same trouble has the same one
	Detail string // what happened, in words
	Parcel ParcelID
	At     time.Time
}

// cures are the milestones that end a trouble when they come after it. What is not listed ends only by a person.
var cures = []struct {
	trouble    ExceptionKind
	milestones []Milestone
}{
	{AttemptFailed, []Milestone{OutForDelivery, AvailableForPickup, DeliveryAppointmentSet, ArrivedAtDelivery, PartiallyDelivered, Delivered, Returning, Returned}},
	{DeliveryRefused, []Milestone{OutForDelivery, AvailableForPickup, DeliveryAppointmentSet, Delivered, Returning, Returned}},
	{ReturnToSender, nil},
	{FreightLost, []Milestone{PickedUp, DepartedFacility, ArrivedAtFacility, InTransit, CustomsArrived, CustomsReleased, OutForDelivery, AvailableForPickup, ArrivedAtDelivery, PartiallyDelivered, Delivered, Returning, Returned}},
	{FreightDamaged, nil},
	{HeldInCustoms, []Milestone{CustomsReleased, DepartedFacility, InTransit, OutForDelivery, AvailableForPickup, ArrivedAtDelivery, Delivered, Returning, Returned}},
	{AddressProblem, []Milestone{Reconsigned, OutForDelivery, AvailableForPickup, ArrivedAtDelivery, Delivered, Returning, Returned}},
}

func curesOf(k ExceptionKind) []Milestone {
	for _, c := range cures {
		if c.trouble == k {
			return c.milestones
		}
	}
	return nil
}

// TroubleKinds are the exceptions that the freight's own events open and close, sorted.
func TroubleKinds() (ks []ExceptionKind) {
	for _, c := range cures {
		ks = append(ks, c.trouble)
	}
	slices.Sort(ks)
	return ks
}

// trouble is what a mark means for a person; "" for nothing.
func (m Mark) trouble() ExceptionKind {
	reason := Reason(m.Reason)
	stuck := m.Milestone == DeliveryAttempted || m.Milestone == Held || m.Milestone == Delayed
	switch {
	case stuck && (reason == ReasonCarrierAddress || reason == ReasonConsigneeAddress):
		return AddressProblem
	case m.Milestone == Refused, m.Milestone == DeliveryAttempted && reason == ReasonConsigneeRefused:
		return DeliveryRefused
	case m.Milestone == DeliveryAttempted:
		return AttemptFailed
	case m.Milestone == Held && (reason.FaultParty() == FaultCustoms || m.FaultParty == FaultCustoms):
		return HeldInCustoms
	case m.Milestone == Returning, m.Milestone == Returned:
		return ReturnToSender
	case m.Milestone == Lost:
		return FreightLost
	case m.Milestone == Damaged:
		return FreightDamaged
	}
	return ""
}

// Troubles are what a person must see to now: of each kind and parcel the last that no later event has cured. The order
// in which the scans came does not matter.
func (j Journey) Troubles() (ts []Trouble) {
	for _, m := range j.Live() {
		kind := m.trouble()
		if kind == "" || j.cured(m, kind) {
			continue
		}
		t := Trouble{Kind: kind, Parcel: m.Parcel, At: m.At, Ref: m.ref(), Detail: m.words()}
		i := slices.IndexFunc(ts, func(o Trouble) bool { return o.Kind == t.Kind && o.Parcel == t.Parcel })
		switch {
		case i < 0:
			ts = append(ts, t)
		case t.At.After(ts[i].At):
			ts[i] = t
		}
	}
	slices.SortFunc(ts, func(a, b Trouble) int { return cmp.Or(cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Ref, b.Ref)) })
	return ts
}

// ref names the trouble of a mark.
func (m Mark) ref() string {
	return strings.TrimSpace(string(m.Parcel) + " " + m.At.UTC().Format("2006-01-02T15:04Z"))
}

// words is what a mark says, for a person.
func (m Mark) words() string {
	text := "the carrier reports it " + string(m.Milestone)
	if m.Parcel != "" {
		text = fmt.Sprintf("the carrier reports parcel %s %s", m.Parcel, m.Milestone)
	}
	if m.Reason != "" {
		text += " (" + m.Reason + ")"
	}
	return text
}

// cured reports whether a later event ends the trouble of a mark. Of the same moment, only a delivery does.
func (j Journey) cured(m Mark, kind ExceptionKind) bool {
	return slices.ContainsFunc(j.Live(), func(o Mark) bool {
		after := o.At.After(m.At) || o.At.Equal(m.At) && o.Milestone == Delivered
		forward := kind == ReturnToSender && m.Milestone == Returning && (o.Milestone == OutForDelivery || o.Milestone == Delivered)
		return after && (forward || slices.Contains(curesOf(kind), o.Milestone)) && o.touches(m.Parcel)
	})
}

// Doubt is a contradiction in what is said of the freight.
type Doubt struct {
	Ref       string // the same contradiction has the same one
	Text      string // with what to do
	Grave     bool   // the customer's bill rests on it
	Dismissed bool   // a person has looked
}

// Doubts are the contradictions of the shipment; none where it is not judged by events.
func (s *Shipment) Doubts() (ds []Doubt) {
	if !s.Judged {
		return nil
	}
	ds = s.Journey.Doubts()
	for i, d := range ds {
		ds[i].Dismissed = s.Exceptions.Answered(StatusContradictory, d.Ref, Dismiss)
	}
	return ds
}

// Doubts are the contradictions in what was said and not taken back, at most one of a kind for each parcel. What an
// uncertain zone or a bare date can explain is none.
func (j Journey) Doubts() (ds []Doubt) {
	add := func(name string, p ParcelID, grave bool, format string, args ...any) {
		ref := strings.TrimSpace(name + " " + string(p))
		if !slices.ContainsFunc(ds, func(d Doubt) bool { return d.Ref == ref }) {
			ds = append(ds, Doubt{Ref: ref, Grave: grave, Text: fmt.Sprintf(format, args...)})
		}
	}
	picked := j.Occurrence(PickedUp)
	for _, d := range j.deliveries() {
		if picked.Milestone != "" && d.before(picked) && d.touches(picked.Parcel) {
			add("delivered before pick-up", d.Parcel, true, "delivered at %s, and picked up only at %s: ask %s which is true", minute(d.At), minute(picked.At), d.Source)
		}
		for _, o := range j.Live() {
			switch {
			case !o.touches(d.Parcel) || !d.before(o):
			case o.Milestone == Returned || o.Milestone == Lost || o.Milestone == Refused:
				add(string(o.Milestone)+" after delivery", o.Parcel, true, "delivered at %s, and %s at %s: ask %s which is true", minute(d.At), o.Milestone, minute(o.At), o.Source)
			case o.Milestone == Delivered && o.Parcel == d.Parcel && o.Stop == d.Stop && o.At.Sub(d.At) > day && !d.Pieces.Short():
				add("delivered twice", d.Parcel, false, "delivered at %s, and again at %s", minute(d.At), minute(o.At))
			}
		}
	}
	for _, m := range j.Live() {
		if m.Milestone == Unclassified && m.Reason == string(ReasonContradictory) {
			add("unclear", m.Parcel, false, "%s said two things at once (%s): neither was counted", m.Source, minute(m.At))
		}
	}
	return ds
}

// minute is a time for a person.
func minute(t time.Time) string { return t.UTC().Format("2006-01-02 15:04 UTC") }
