package freight

import (
	"cmp"
	"slices"
	"time"
)

// Retraction is a partner's word that something it said is not so. It holds for what comes after it as for what came
// before: partners send in any order.
type Retraction struct {
	Source    string    `json:"source"`
	Statement string    `json:"statement,omitzero"`
	Milestone Milestone `json:"milestone,omitzero"`
	Parcel    ParcelID  `json:"parcel,omitzero"`
	At        time.Time `json:"at,omitzero"` // of what is taken back; zero: of any time before By
	By        time.Time `json:"by"`          // when it was taken back
	Reason    string    `json:"reason,omitzero"`
}

func (j *Journey) addRetraction(s Scan) bool {
	r := Retraction{Source: s.Source, Statement: s.Retracts.Statement, Milestone: s.Retracts.Milestone, Parcel: s.Parcel, By: s.OccurredAt.UTC(), Reason: s.Reason}
	if !s.Retracts.At.IsZero() {
		r.At = s.Retracts.At.UTC()
	}
	i, found := slices.BinarySearchFunc(j.Retractions, r, compareRetractions)
	if found {
		return false
	}
	j.Retractions = slices.Insert(j.Retractions, i, r)
	return true
}

func compareRetractions(a, b Retraction) int {
	return cmp.Or(a.By.Compare(b.By), cmp.Compare(a.Source, b.Source), cmp.Compare(a.Statement, b.Statement), cmp.Compare(a.Milestone, b.Milestone),
		cmp.Compare(a.Parcel, b.Parcel), a.At.Compare(b.At), cmp.Compare(a.Reason, b.Reason))
}

// hits reports whether r takes m back.
func (r Retraction) hits(m Mark) bool {
	switch {
	case r.Source != m.Source:
		return false
	case r.Statement != "":
		return r.Statement == m.Statement
	case r.Milestone != m.Milestone || r.Parcel != "" && r.Parcel != m.Parcel:
		return false
	case !r.At.IsZero():
		return r.At.Equal(m.At)
	}
	return !m.At.After(r.By)
}

// Live are the marks in force: those that nobody who made them has taken back.
func (j Journey) Live() []Mark {
	if len(j.Retractions) == 0 {
		return j.Marks
	}
	return slices.DeleteFunc(slices.Clone(j.Marks), j.Retracted)
}

// Retracted reports whether a mark was taken back.
func (j Journey) Retracted(m Mark) bool {
	return slices.ContainsFunc(j.Retractions, func(r Retraction) bool { return r.hits(m) })
}

// undelivered is when the freight was last said not to have been delivered after all, with no delivery left from
// before; zero for never.
func (j Journey) undelivered() (at time.Time) {
	for _, r := range j.Retractions {
		hit := func(m Mark) bool { return m.Milestone == Delivered && r.hits(m) }
		stands := func(m Mark) bool { return m.Milestone == Delivered && !m.At.After(r.By) }
		if slices.ContainsFunc(j.Marks, hit) && !slices.ContainsFunc(j.Live(), stands) && r.By.After(at) {
			at = r.By
		}
	}
	return at
}

// Proofs are the documents that can prove the delivery as it stands: not those that came only with what was taken
// back, or from before a delivery was.
func (j Journey) Proofs() []DocumentRef {
	if len(j.Retractions) == 0 {
		return j.Documents
	}
	since, live := j.undelivered(), j.Live()
	return slices.DeleteFunc(slices.Clone(j.Documents), func(d DocumentRef) bool {
		brings := func(m Mark) bool { return slices.Contains(m.Proof, Clip(d.SHA256, hashKept)) }
		good := func(m Mark) bool { return brings(m) && m.At.After(since) }
		return slices.ContainsFunc(j.Marks, brings) && !slices.ContainsFunc(live, good)
	})
}
