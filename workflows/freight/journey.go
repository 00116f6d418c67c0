package freight

import (
	"cmp"
	"math"
	"slices"
	"strconv"
	"time"
)

func itoa(n int) string { return strconv.Itoa(n) }

// Mark is the earliest actual occurrence of a milestone.
type Mark struct {
	Milestone  Milestone   `json:"milestone"`
	At         time.Time   `json:"at"`
	Key        string      `json:"key,omitzero"` // of the scan; none in a closing snapshot
	Reason     string      `json:"reason,omitzero"`
	FaultParty FaultParty  `json:"fault,omitzero"`
	Carrier    CarrierCode `json:"carrier,omitzero"`
}

// Journey is all that is known of one shipment's freight, folded from its scans. Every order of the same
// scans, with any repeats, folds to the same journey.
type Journey struct {
	Marks     []Mark           `json:"marks,omitempty"` // one a milestone, by rank, then name
	ETA       time.Time        `json:"eta,omitzero"`    // of the newest estimate
	ETASaidAt time.Time        `json:"etaSaidAt,omitzero"`
	Pieces    Pieces           `json:"pieces,omitzero"`     // the most that any delivered scan reports
	Documents []DocumentRef    `json:"documents,omitempty"` // by hash, each once, as its most telling scan has it
	Invoices  []CarrierInvoice `json:"invoices,omitempty"`  // by carrier and number, each once
}

// Apply folds one scan in and reports whether it was news. A forecast brings an ETA and documents; pieces, charges
// and milestones are facts.
func (j *Journey) Apply(s Scan) bool {
	news := j.addDocuments(s.Documents)
	if s.Classifier != Actual {
		return j.addEstimate(s) || news
	}
	news = j.addInvoice(s.Invoice) || news
	if s.Milestone == Delivered {
		news = j.addPieces(s.Pieces) || news // a partial delivery says nothing of the last one
	}
	return j.addMark(s) || news
}

func (j *Journey) addMark(s Scan) bool {
	m := Mark{Milestone: s.Milestone, At: s.OccurredAt.UTC(), Key: s.Key, Reason: s.Reason, FaultParty: s.FaultParty, Carrier: s.Carrier}
	i, found := slices.BinarySearchFunc(j.Marks, m, byRank)
	switch {
	case !found:
		j.Marks = slices.Insert(j.Marks, i, m)
	case earlier(m, j.Marks[i]):
		j.Marks[i] = m
	default:
		return false
	}
	return true
}

func byRank(a, b Mark) int {
	return cmp.Or(cmp.Compare(a.Milestone.Rank(), b.Milestone.Rank()), cmp.Compare(a.Milestone, b.Milestone))
}

func earlier(a, b Mark) bool {
	return cmp.Or(a.At.Compare(b.At), cmp.Compare(a.Key, b.Key)) < 0
}

func (j *Journey) addEstimate(s Scan) bool {
	if s.ETA.IsZero() || cmp.Or(s.OccurredAt.Compare(j.ETASaidAt), s.ETA.Compare(j.ETA)) <= 0 {
		return false
	}
	j.ETA, j.ETASaidAt = s.ETA.UTC(), s.OccurredAt.UTC()
	return true
}

func (j *Journey) addPieces(p Pieces) bool {
	was := j.Pieces
	j.Pieces.Delivered = max(was.Delivered, p.Delivered)
	j.Pieces.Expected = max(was.Expected, p.Expected)
	return j.Pieces != was
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

// Has reports whether m has actually happened.
func (j Journey) Has(m Milestone) bool { return !j.At(m).IsZero() }

// At is when m first happened; zero if it has not.
func (j Journey) At(m Milestone) time.Time {
	for _, k := range j.Marks {
		if k.Milestone == m {
			return k.At
		}
	}
	return time.Time{}
}

// Furthest is the mark of the highest rank; the zero Mark before the first. Of two of one rank the later
// one counts.
func (j Journey) Furthest() (f Mark) {
	for _, m := range j.Marks {
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
	for _, m := range j.Marks {
		if m.Carrier != "" && (f.Milestone == "" || byRank(f, m) < 0) {
			f, c = m, m.Carrier
		}
	}
	return c
}

// Moving reports whether the freight has left the shipper.
func (j Journey) Moving() bool { return j.Furthest().Milestone.Rank() >= PickedUp.Rank() }

// Accepted reports whether a carrier has taken the tender, said so or shown it.
func (j Journey) Accepted() bool { return j.Furthest().Milestone.Rank() >= TenderAccepted.Rank() }

// Complete reports whether the freight is delivered, all pieces of it.
func (j Journey) Complete() bool { return j.Has(Delivered) && !j.Pieces.Short() }

// Status is what customer service sees. Freight that is delivered in part is still out for delivery.
func (j Journey) Status() Status {
	switch {
	case j.Complete():
		return StatusDelivered
	case j.Has(Returned):
		return StatusReturned
	case j.Has(Lost):
		return StatusLost
	case j.Furthest().Milestone == "":
		return StatusReleased
	case j.Has(Delivered):
		return StatusOutForDelivery
	}
	return j.Furthest().Milestone.Status()
}

// StatusSince is when the freight came into its status: the earliest mark that has it.
func (j Journey) StatusSince() (at time.Time) {
	want := j.Status()
	for _, m := range j.Marks {
		same := m.Milestone.Status() == want || want == StatusReturned && m.Milestone == Returned || want == StatusLost && m.Milestone == Lost ||
			want == StatusOutForDelivery && m.Milestone == Delivered
		if same && (at.IsZero() || m.At.Before(at)) {
			at = m.At
		}
	}
	return at
}
