package freight

import (
	"maps"
	"slices"
	"time"
)

// Transit is how one shipment was carried.
type Transit struct {
	From, To Place // From has no postcode: nobody says where in its country it was picked up
	Carrier  CarrierCode
	Service  string
	PickedUp time.Time
	Took     time.Duration // from pick-up to delivery, of all its parcels
}

// Transit is how a shipment was carried; ok is false where it was not delivered, or nobody has said when it was picked up.
// Times whose zone was guessed tell of no hours.
func (s *Shipment) Transit() (t Transit, ok bool) {
	picked, delivered := s.Journey.Occurrence(PickedUp), s.Journey.DeliveredAt()
	t = Transit{From: Place{Country: s.Release.From}, To: s.Release.ShipTo, Carrier: s.Carrier(), Service: s.Release.Service, PickedUp: picked.At, Took: delivered.Sub(picked.At)}
	guessed := picked.Assumed || s.Journey.Occurrence(Delivered).Assumed
	return t, s.Delivered() && !picked.At.IsZero() && !guessed && t.Took > 0
}

// LaneHistory is how long carriage to a place has taken.
type LaneHistory struct {
	Country   string        `json:"country"`  // ISO 3166-1 alpha-2
	Postcode  string        `json:"postcode"` // how it begins; "" for all of the country
	Shipments int           `json:"shipments"`
	Median    time.Duration `json:"median"` // of the time from pick-up to delivery
	P90       time.Duration `json:"p90"`    // 9 of 10 took at most so long
}

// Lanes are the histories of all lanes with so many shipments or more, by country, and within one by how the postcode
// begins, to so many characters; each country is a lane as well. They are sorted, a country before what is in it.
func Lanes(ts []Transit, characters, least int) (hs []LaneHistory) {
	took := map[[2]string][]time.Duration{}
	for _, t := range ts {
		country := [2]string{t.To.Country, ""}
		took[country] = append(took[country], t.Took)
		if within := [2]string{t.To.Country, Clip(t.To.Postcode, max(characters, 0))}; within != country {
			took[within] = append(took[within], t.Took)
		}
	}
	for _, lane := range slices.SortedFunc(maps.Keys(took), func(a, b [2]string) int { return slices.Compare(a[:], b[:]) }) {
		if ds := took[lane]; len(ds) >= max(least, 1) {
			slices.Sort(ds)
			hs = append(hs, LaneHistory{Country: lane[0], Postcode: lane[1], Shipments: len(ds), Median: rank(ds, 50), P90: rank(ds, 90)})
		}
	}
	return hs
}

// rank is the least of sorted durations that so many per cent do not exceed.
func rank(ds []time.Duration, percent int) time.Duration { return ds[(len(ds)*percent+99)/100-1] }
