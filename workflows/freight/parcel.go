package freight

import (
	"cmp"
	"fmt"
	"slices"
	"time"
)

// DeliveryRule is what must be delivered before a customer is billed.
type DeliveryRule string

// The delivery rules.
const (
	AllParcels  DeliveryRule = ""             // every parcel, every stop
	FirstParcel DeliveryRule = "first_parcel" // the first counts for all: by a customer's own wish
)

// ofParcels reports whether m decides what became of each parcel, so that every statement of it is kept.
func (m Milestone) ofParcels() bool {
	return slices.Contains([]Milestone{Delivered, Returned, Returning, Lost, Damaged, Refused}, m)
}

// deliveries are the marks in force by which freight has reached its consignee: the end of a leg that is not the last
// is none.
func (j Journey) deliveries() []Mark {
	live, last := j.Live(), 0
	for i := range live { // by index: a mark is large, and there may be many
		last = max(last, live[i].Leg.N, live[i].Leg.Of)
	}
	from := len(live)
	for from > 0 && live[from-1].Milestone == Delivered { // no milestone has a higher rank
		from--
	}
	ds := live[from:len(live):len(live)]
	if last == 0 {
		return ds
	}
	return slices.DeleteFunc(slices.Clone(ds), func(m Mark) bool { return m.Leg.N != 0 && m.Leg.N < last })
}

// delivered reports whether a parcel is delivered by itself.
func (j Journey) delivered(p ParcelID) bool {
	return slices.ContainsFunc(j.deliveries(), func(m Mark) bool { return m.Parcel == p })
}

// stops is how many stops the freight has, as far as anyone says; 0 where nobody counts them.
func (j Journey) stops() (n int) {
	live := j.Live()
	for i := range live {
		n = max(n, live[i].Stop.Of, live[i].Stop.N)
	}
	return n
}

// wholly reports whether someone says that all of the freight is delivered: the shipment as such, or each of its stops.
func (j Journey) wholly() bool {
	stops := j.stops()
	reached := map[int]bool{}
	for _, m := range j.deliveries() {
		switch {
		case m.Parcel != "":
		case m.Stop.N == 0 || stops <= 1:
			return true
		default:
			reached[m.Stop.N] = true
		}
	}
	return stops > 1 && len(reached) >= stops
}

// Tally counts what is delivered against what there is; zero where nothing is delivered, or nobody counts. Parcels are
// counted where they are told apart, against as many as are known, were announced, or were released, whichever is most;
// where their tracking numbers tell them apart, as many as have one stand for what was released.
func (j Journey) Tally(released int) Pieces {
	if j.wholly() {
		return j.Pieces
	}
	parcels, stops, numbered := map[ParcelID]bool{}, map[int]bool{}, 0
	for _, m := range j.deliveries() {
		numbered = max(numbered, m.Numbered)
		if m.Parcel != "" {
			parcels[m.Parcel] = true
		} else {
			stops[m.Stop.N] = true
		}
	}
	if len(parcels) == 0 && len(stops) > 0 {
		return Pieces{Delivered: len(stops), Expected: j.stops(), Unit: "stops"}
	}
	if len(parcels) == 0 {
		return Pieces{}
	}
	return Pieces{Delivered: len(parcels), Expected: max(len(j.Parcels), j.announced(), cmp.Or(numbered, released))}
}

// announced is how many parcels their deliveries say there are.
func (j Journey) announced() (n int) {
	for _, m := range j.deliveries() {
		if m.Pieces.Unit == "" {
			n = max(n, m.Pieces.Expected)
		}
	}
	return n
}

// Apart reports whether parcels or stops are delivered one by one, so that some of them missing is no surprise yet.
func (j Journey) Apart() bool { return len(j.deliveries()) > 0 && !j.wholly() }

// Complete reports whether the freight is delivered, all pieces of it, as far as its scans tell.
func (j Journey) Complete() bool { return j.complete(0, AllParcels) }

func (j Journey) complete(released int, rule DeliveryRule) bool {
	switch {
	case rule == FirstParcel:
		return len(j.deliveries()) > 0
	case j.wholly():
		return !j.Pieces.Short()
	}
	p := j.Tally(released)
	return p.Delivered > 0 && !p.Short()
}

// DeliveredAt is when the delivery was over: that of the last parcel or stop where these are delivered one by one, and
// zero before the first.
func (j Journey) DeliveredAt() (at time.Time) {
	if !j.Apart() && j.stops() <= 1 {
		return j.At(Delivered)
	}
	for _, m := range j.deliveries() {
		if m.At.After(at) {
			at = m.At
		}
	}
	return at
}

// firstDelivery is when the first of several parts was delivered; zero before that.
func (j Journey) firstDelivery() (at time.Time) {
	for _, m := range j.deliveries() {
		if at.IsZero() || m.At.Before(at) {
			at = m.At
		}
	}
	return at
}

// allAre reports whether something has happened to all of the freight, parcel by parcel where it is told of these.
func (j Journey) allAre(m Milestone) bool {
	parcels, all := map[ParcelID]bool{}, len(j.Parcels)
	for _, k := range j.Live() {
		if k.Milestone == m {
			parcels[k.Parcel], all = true, max(all, k.Numbered)
		}
	}
	return parcels[""] || len(parcels) > 0 && len(parcels) >= all
}

// Delivered reports whether the freight is delivered: all pieces by the customer's policy, or as many as a person says
// there will be.
func (s *Shipment) Delivered() bool {
	return s.Journey.complete(s.Release.Pieces, s.Terms.Delivery) || len(s.Journey.deliveries()) > 0 && s.Exceptions.Answered(PODShort, s.Shortage(), Retry)
}

// Shortage says how many pieces are missing of a delivery; "" where none are.
func (s *Shipment) Shortage() string {
	p := s.Journey.Tally(s.Release.Pieces)
	if !p.Short() || len(s.Journey.deliveries()) == 0 {
		return ""
	}
	return fmt.Sprintf("%d of %d %s", p.Delivered, p.Expected, cmp.Or(p.Unit, "pieces"))
}
