package freight

import "time"

// Handling is whose an exception of a kind is, and how soon it must be seen to.
type Handling struct {
	Kind   ExceptionKind `json:"kind"`
	Owner  Owner         `json:"owner,omitzero"`  // "": the one in our operating standard
	Within time.Duration `json:"within,omitzero"` // from its opening to when it is due; 0: as in our operating standard
}

// StandardHandling is how a kind is handled where a customer's policy says nothing of it.
func StandardHandling(kind ExceptionKind) Handling {
	r := remedies[kind]
	return Handling{Kind: kind, Owner: r.owner, Within: r.within}
}

// ExceptionTerms say how a customer's exceptions are handled.
type ExceptionTerms struct {
	Calendar *Calendar  `json:"calendar,omitempty"` // of business, in which the time to when one is due runs; nil: always
	Kinds    []Handling `json:"kinds,omitempty"`    // those not listed are handled by our operating standard
}

// Handling is how a kind is handled by these terms; nil terms are our operating standard.
func (t *ExceptionTerms) Handling(kind ExceptionKind) Handling {
	h := StandardHandling(kind)
	if t == nil {
		return h
	}
	for _, own := range t.Kinds {
		if own.Kind != kind {
			continue
		}
		if own.Owner != "" {
			h.Owner = own.Owner
		}
		if own.Within > 0 {
			h.Within = own.Within
		}
	}
	return h
}

// due is when an exception that opens now is due; without any business ahead, after as much time of any kind.
func (t *ExceptionTerms) due(h Handling, now time.Time) time.Time {
	if t != nil {
		if at := t.Calendar.Add(now, h.Within); !at.IsZero() {
			return at
		}
	}
	return now.Add(h.Within)
}

// Raise opens an exception of the shipment as its terms have it handled, or counts one more for the same kind and ref
// already open, whose owner and time stay. It returns the exception, and whether it is new.
func (s *Shipment) Raise(kind ExceptionKind, ref, detail string, now time.Time) (e Exception, opened bool) {
	id, opened := s.Exceptions.Raise(kind, ref, s.Stage, detail, now)
	raised, _ := s.Exceptions.ByID(id) // Raise never drops one that is open
	if opened {
		h := s.Terms.Exceptions.Handling(kind)
		raised.Owner, raised.DueBy = h.Owner, s.Terms.Exceptions.due(h, now)
	}
	return *raised, opened
}
