package freight

import (
	"cmp"
	"math"
	"slices"
	"strconv"
	"time"
)

func itoa(n int) string { return strconv.Itoa(n) }

// Journey is all that is known of one shipment's freight, folded from its scans. Every order of the same
// scans, with any repeats, folds to the same journey: it is what was said, each statement once, and all else is
// derived from that.
type Journey struct {
	Marks       []Mark           `json:"marks,omitempty"`       // in the order of compareMarks; those of a milestone that decides nothing about parcels only as its first and last
	Retractions []Retraction     `json:"retractions,omitempty"` // what partners took back; see Live
	Parcels     []ParcelID       `json:"parcels,omitempty"`     // every one that was named, sorted
	ETA         time.Time        `json:"eta,omitzero"`          // of the newest estimate for the shipment; see Expected
	ETASaidAt   time.Time        `json:"etaSaidAt,omitzero"`
	Estimates   []Estimate       `json:"estimates,omitempty"` // the newest of each parcel that has one of its own
	Pieces      Pieces           `json:"pieces,omitzero"`     // the most that any delivered mark in force reports
	Documents   []DocumentRef    `json:"documents,omitempty"` // by hash, each once, as its most telling scan has it
	Invoices    []CarrierInvoice `json:"invoices,omitempty"`  // by carrier and number, each once
}

// Estimate is when a parcel is expected, and when that was said.
type Estimate struct {
	Parcel ParcelID  `json:"parcel"`
	ETA    time.Time `json:"eta"`
	SaidAt time.Time `json:"saidAt"`
}

// Apply folds one scan in and reports whether it was news. A forecast brings an ETA and documents; pieces, charges
// and milestones are facts.
func (j *Journey) Apply(s Scan) bool {
	news := j.addDocuments(s.Documents)
	news = j.addParcel(s.Parcel) || news
	switch {
	case s.Retracts != nil:
		news = j.addRetraction(s) || news
	case s.Classifier != Actual:
		return j.addEstimate(s) || news
	default:
		news = j.addInvoice(s.Invoice) || news
		news = j.addMark(markOf(s)) || news
	}
	j.count()
	return news
}

// endsKept is how many of the first, and of the last, statements of one milestone are kept where it decides nothing
// about parcels: a history of 5,000 scans must not fill a shipment. What is dropped lies between, in every order.
const endsKept = 5

func (j *Journey) addMark(m Mark) bool {
	i, found := slices.BinarySearchFunc(j.Marks, m, compareMarks)
	if found {
		return false
	}
	j.Marks = slices.Insert(j.Marks, i, m)
	if m.Milestone.ofParcels() {
		return true
	}
	from := slices.IndexFunc(j.Marks, func(o Mark) bool { return o.Milestone == m.Milestone })
	n := 0
	for from+n < len(j.Marks) && j.Marks[from+n].Milestone == m.Milestone {
		n++
	}
	if n <= 2*endsKept {
		return true
	}
	j.Marks = slices.Delete(j.Marks, from+endsKept, from+endsKept+1)
	return i != from+endsKept
}

func (j *Journey) addParcel(p ParcelID) bool {
	i, found := slices.BinarySearch(j.Parcels, p)
	if p == "" || found {
		return false
	}
	j.Parcels = slices.Insert(j.Parcels, i, p)
	return true
}

func (j *Journey) addEstimate(s Scan) bool {
	if s.ETA.IsZero() {
		return false
	}
	said := Estimate{Parcel: s.Parcel, ETA: s.ETA.UTC(), SaidAt: s.OccurredAt.UTC()}
	if s.Parcel == "" {
		if !said.after(Estimate{ETA: j.ETA, SaidAt: j.ETASaidAt}) {
			return false
		}
		j.ETA, j.ETASaidAt = said.ETA, said.SaidAt
		return true
	}
	i, found := slices.BinarySearchFunc(j.Estimates, said, func(a, b Estimate) int { return cmp.Compare(a.Parcel, b.Parcel) })
	switch {
	case !found:
		j.Estimates = slices.Insert(j.Estimates, i, said)
	case said.after(j.Estimates[i]):
		j.Estimates[i] = said
	default:
		return false
	}
	return true
}

// after reports whether e was said after o; of two of one moment the later arrival counts.
func (e Estimate) after(o Estimate) bool {
	return cmp.Or(e.SaidAt.Compare(o.SaidAt), e.ETA.Compare(o.ETA)) > 0
}

// Expected is when all of the freight is expected, and when that was said: the last of its parcels decides. Zero where
// nobody says.
func (j Journey) Expected() (eta, saidAt time.Time) {
	eta, saidAt = j.ETA, j.ETASaidAt
	for _, e := range j.Estimates {
		if e.ETA.After(eta) && !j.delivered(e.Parcel) {
			eta, saidAt = e.ETA, e.SaidAt
		}
	}
	return eta, saidAt
}

// count finds the most pieces that a delivery in force reports; a partial delivery says nothing of the last one. A
// count of an earlier run, whose marks had none, stands until one is taken back.
func (j *Journey) count() {
	var p Pieces
	for _, m := range j.Live() {
		if m.Milestone != Delivered || m.Parcel != "" || m.Pieces == (Pieces{}) {
			continue
		}
		if p != (Pieces{}) && p.Unit != m.Pieces.Unit {
			if cmp.Compare(p.Unit, m.Pieces.Unit) <= 0 {
				continue // pallets and cartons are not added up: the first unit counts
			}
			p = Pieces{}
		}
		p = Pieces{max(p.Delivered, m.Pieces.Delivered), max(p.Expected, m.Pieces.Expected), m.Pieces.Unit}
	}
	if p != (Pieces{}) || len(j.Retractions) > 0 {
		j.Pieces = p
	}
}

func (j *Journey) addDocuments(ds []DocumentRef) (news bool) {
	for _, d := range ds {
		i, found := slices.BinarySearchFunc(j.Documents, d, func(a, b DocumentRef) int { return cmp.Compare(a.SHA256, b.SHA256) })
		switch {
		case !found:
			j.Documents = slices.Insert(j.Documents, i, d)
			news = true
		default:
			merged := j.Documents[i].merge(d)
			news = news || merged != j.Documents[i]
			j.Documents[i] = merged
		}
	}
	return news
}

// merge joins what two scans say of the same bytes, in whichever order they come.
func (d DocumentRef) merge(o DocumentRef) DocumentRef {
	first, other := d, o
	if cmp.Or(cmp.Compare(o.Kind.rank(), d.Kind.rank()), cmp.Compare(o.Kind, d.Kind), cmp.Compare(o.MediaType, d.MediaType)) < 0 {
		first, other = o, d
	}
	first.Signed = first.Signed || other.Signed
	first.Size = max(first.Size, other.Size)
	return first
}

// rank orders kinds from the most telling.
func (k DocumentKind) rank() int {
	if i := slices.Index([]DocumentKind{DocumentPOD, DocumentSignature, DocumentReceipt, DocumentScale, DocumentPhoto}, k); i >= 0 {
		return i
	}
	return math.MaxInt
}

func (j *Journey) addInvoice(inv *CarrierInvoice) bool {
	if inv == nil {
		return false
	}
	i, found := slices.BinarySearchFunc(j.Invoices, *inv, func(a, b CarrierInvoice) int {
		return cmp.Or(cmp.Compare(a.Carrier, b.Carrier), cmp.Compare(a.Number, b.Number), cmp.Compare(a.DuplicateOf, b.DuplicateOf))
	})
	if found {
		return false
	}
	j.Invoices = slices.Insert(j.Invoices, i, *inv)
	return true
}

// Has reports whether m has actually happened, to any part of the freight, and was not taken back.
func (j Journey) Has(m Milestone) bool { return !j.At(m).IsZero() }

// At is when m first happened; zero if it has not. See Occurrence.
func (j Journey) At(m Milestone) time.Time { return j.Occurrence(m).At }

// Furthest is the mark in force of the highest rank; the zero Mark before the first. Of two of one rank the later
// one counts.
func (j Journey) Furthest() (f Mark) {
	for _, m := range j.Live() {
		switch {
		case m.Milestone.Rank() == 0 || m.Milestone.Rank() < f.Milestone.Rank():
		case m.Milestone.Rank() > f.Milestone.Rank() || earlier(f, m):
			f = m
		}
	}
	return f
}

// Carrier is who moves the freight, as the furthest scan that names one says; "" if none does.
func (j Journey) Carrier() (c CarrierCode) {
	var f Mark
	for _, m := range j.Live() {
		if m.Carrier != "" && (f.Milestone == "" || byRank(f, m) < 0) {
			f, c = m, m.Carrier
		}
	}
	return c
}

// Carriers are all who have moved the freight, in the order in which they first did.
func (j Journey) Carriers() (cs []CarrierCode) {
	marks := slices.Clone(j.Live())
	slices.SortStableFunc(marks, func(a, b Mark) int { return a.At.Compare(b.At) })
	for _, m := range marks {
		if m.Carrier != "" && m.Milestone.Rank() >= PickedUp.Rank() && !slices.Contains(cs, m.Carrier) {
			cs = append(cs, m.Carrier)
		}
	}
	return cs
}

// Moving reports whether the freight has left the shipper.
func (j Journey) Moving() bool { return j.Furthest().Milestone.Rank() >= PickedUp.Rank() }

// Accepted reports whether a carrier has taken the tender, said so or shown it.
func (j Journey) Accepted() bool { return j.Furthest().Milestone.Rank() >= TenderAccepted.Rank() }

// Status is what customer service sees. Freight that is delivered in part is still out for delivery.
func (j Journey) Status() Status { return j.status(j.Complete(), true) }

// status is the status where the freight is delivered or not. Where it is judged by events, freight that was lost and
// seen again is on its way; runs of an earlier release show it as lost until it is delivered.
func (j Journey) status(complete, judged bool) Status {
	switch f := j.Furthest(); {
	case complete:
		return StatusDelivered
	case j.allAre(Returned):
		return StatusReturned
	case j.allAre(Lost) && !(judged && j.cured(Mark{Milestone: Lost, At: j.At(Lost)}, FreightLost)):
		return StatusLost
	case f.Milestone == "":
		return StatusReleased
	case f.Milestone == Delivered:
		return StatusOutForDelivery
	default:
		return f.Milestone.Status()
	}
}

// StatusSince is when the freight came into its status: the earliest mark that has it, and of a delivery by parcels
// the last parcel's.
func (j Journey) StatusSince() time.Time { return j.since(j.Status()) }

func (j Journey) since(want Status) (at time.Time) {
	if want == StatusDelivered {
		return j.DeliveredAt()
	}
	for _, m := range j.Live() {
		same := m.Milestone.Status() == want || want == StatusReturned && m.Milestone == Returned || want == StatusLost && m.Milestone == Lost ||
			want == StatusOutForDelivery && m.Milestone == Delivered
		if same && (at.IsZero() || m.At.Before(at)) {
			at = m.At
		}
	}
	return at
}
