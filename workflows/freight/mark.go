package freight

import (
	"cmp"
	"slices"
	"time"
)

// Mark is one statement that a milestone has actually happened, to the whole shipment or to a part of it.
type Mark struct {
	Milestone  Milestone   `json:"milestone"`
	At         time.Time   `json:"at"`
	Key        string      `json:"key,omitzero"` // of the scan; none in a closing snapshot
	Source     string      `json:"source,omitzero"`
	Reason     string      `json:"reason,omitzero"`
	FaultParty FaultParty  `json:"fault,omitzero"`
	Carrier    CarrierCode `json:"carrier,omitzero"`
	Precision  Precision   `json:"precision,omitzero"`
	Assumed    bool        `json:"assumed,omitzero"` // the zone of At is a guess
	Place      Location    `json:"place,omitzero"`
	Parcel     ParcelID    `json:"parcel,omitzero"`
	Numbered   int         `json:"numbered,omitzero"` // as of its scan
	Leg        Position    `json:"leg,omitzero"`
	Stop       Position    `json:"stop,omitzero"`
	Pieces     Pieces      `json:"pieces,omitzero"` // with a delivery
	Quantities []Quantity  `json:"quantities,omitempty"`
	Proof      []string    `json:"proof,omitempty"`    // its documents: the first characters of their hashes
	Statement  string      `json:"statement,omitzero"` // the partner's id of it, by which it may be taken back
}

// hashKept is how much of a document's hash a mark keeps: enough to tell one shipment's documents apart.
const hashKept = 12

func markOf(s Scan) Mark {
	m := Mark{
		Milestone: s.Milestone, At: s.OccurredAt.UTC(), Key: s.Key, Source: s.Source, Reason: s.Reason, FaultParty: s.FaultParty, Carrier: s.Carrier,
		Precision: s.Precision, Assumed: s.ZoneSource == ZoneAssumedUTC, Place: s.Place, Parcel: s.Parcel, Numbered: s.Numbered, Leg: s.Leg, Stop: s.Stop,
		Quantities: slices.Clone(s.Quantities), Statement: s.Statement,
	}
	if s.Milestone == Delivered {
		m.Pieces = s.Pieces
	}
	for _, d := range s.Documents {
		m.Proof = append(m.Proof, Clip(d.SHA256, hashKept))
	}
	return m
}

func byRank(a, b Mark) int {
	return cmp.Or(cmp.Compare(a.Milestone.Rank(), b.Milestone.Rank()), cmp.Compare(a.Milestone, b.Milestone))
}

func earlier(a, b Mark) bool {
	return cmp.Or(a.At.Compare(b.At), cmp.Compare(a.Key, b.Key)) < 0
}

// compareMarks orders marks by rank, milestone and time, then by all else they say: two that are equal are one.
func compareMarks(a, b Mark) int {
	return cmp.Or(
		byRank(a, b), a.At.Compare(b.At), cmp.Compare(a.Key, b.Key), cmp.Compare(a.Parcel, b.Parcel), cmp.Compare(a.Source, b.Source),
		cmp.Compare(a.Reason, b.Reason), cmp.Compare(a.FaultParty, b.FaultParty), cmp.Compare(a.Carrier, b.Carrier), cmp.Compare(a.Precision, b.Precision),
		cmp.Compare(sign(a.Assumed), sign(b.Assumed)), comparePlaces(a.Place, b.Place), comparePositions(a.Leg, b.Leg), comparePositions(a.Stop, b.Stop),
		cmp.Compare(a.Pieces.Delivered, b.Pieces.Delivered), cmp.Compare(a.Pieces.Expected, b.Pieces.Expected), cmp.Compare(a.Pieces.Unit, b.Pieces.Unit),
		slices.CompareFunc(a.Quantities, b.Quantities, compareQuantities), slices.Compare(a.Proof, b.Proof), cmp.Compare(a.Statement, b.Statement), cmp.Compare(a.Numbered, b.Numbered),
	)
}

func sign(b bool) int {
	if b {
		return 1
	}
	return 0
}

func comparePlaces(a, b Location) int {
	return cmp.Or(cmp.Compare(a.City, b.City), cmp.Compare(a.Region, b.Region), cmp.Compare(a.Country, b.Country), cmp.Compare(a.Code, b.Code))
}

func comparePositions(a, b Position) int {
	return cmp.Or(cmp.Compare(a.N, b.N), cmp.Compare(a.Of, b.Of), cmp.Compare(a.ID, b.ID))
}

func compareQuantities(a, b Quantity) int {
	return cmp.Or(cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Number, b.Number), cmp.Compare(a.Unit, b.Unit))
}

// Occurrence is the first time that m happened, with all that is said of it: the first to say something is believed,
// unless another tells the time more exactly. The zero Mark if it has not happened.
func (j Journey) Occurrence(m Milestone) (first Mark) {
	for _, o := range j.Live() {
		switch {
		case o.Milestone != m:
		case first.Milestone == "":
			first = o
		case first.sameAs(o):
			first = first.merge(o)
		}
	}
	return first
}

// The furthest that a clock can be from UTC, in hours.
const (
	furthestEast = 14 * time.Hour
	furthestWest = 12 * time.Hour
)

// span is when a mark may have happened, by what is told of its time.
func (m Mark) span() (from, to time.Time) {
	from, to = m.At, m.At.Add(m.Precision.width())
	if m.Assumed {
		from, to = from.Add(-furthestEast), to.Add(furthestWest)
	}
	return from, to
}

// sameAs reports whether o may be about the same occurrence as m: the times allow it, and the part of the freight.
func (m Mark) sameAs(o Mark) bool {
	return m.Milestone == o.Milestone && m.touches(o.Parcel) && (m.Stop == o.Stop || m.Stop == Position{} || o.Stop == Position{}) && !m.before(o) && !o.before(m)
}

// before reports whether m certainly happened before o.
func (m Mark) before(o Mark) bool {
	_, to := m.span()
	from, _ := o.span()
	return to.Before(from)
}

// touches reports whether m says something about a parcel; "" is the whole shipment.
func (m Mark) touches(p ParcelID) bool { return m.Parcel == "" || p == "" || m.Parcel == p }

// merge adds to m what o says of the same occurrence and m does not. The more exact time of the two is taken.
func (m Mark) merge(o Mark) Mark {
	if cmp.Or(cmp.Compare(sign(o.Assumed), sign(m.Assumed)), cmp.Compare(o.Precision.width(), m.Precision.width())) < 0 {
		m.At, m.Precision, m.Assumed = o.At, o.Precision, o.Assumed
	}
	m.Reason, m.FaultParty, m.Carrier = cmp.Or(m.Reason, o.Reason), cmp.Or(m.FaultParty, o.FaultParty), cmp.Or(m.Carrier, o.Carrier)
	m.Place, m.Leg, m.Stop, m.Parcel = cmp.Or(m.Place, o.Place), cmp.Or(m.Leg, o.Leg), cmp.Or(m.Stop, o.Stop), cmp.Or(m.Parcel, o.Parcel)
	m.Pieces = cmp.Or(m.Pieces, o.Pieces)
	if len(m.Quantities) == 0 {
		m.Quantities = o.Quantities
	}
	for _, p := range o.Proof {
		if !slices.Contains(m.Proof, p) {
			m.Proof = append(slices.Clone(m.Proof), p)
		}
	}
	return m
}
