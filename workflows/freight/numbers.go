package freight

import "slices"

// Span is a run of scan numbers, both ends in it.
type Span struct {
	From int64 `json:"from"`
	To   int64 `json:"to"`
}

// spansKept bounds the missing numbers that are remembered; the relay sends in order, so there are none when all
// is well.
const spansKept = 100

// Take notes that the scan of a number is read and reports whether that is new. Numbers that were passed over stay
// missing until they come, so a batch that comes late, or after one with a wrong number, loses no scan.
func (s *Shipment) Take(n int64) bool {
	if n > s.HighWater {
		if n > s.HighWater+1 {
			s.Missing = append(s.Missing, Span{s.HighWater + 1, n - 1})
		}
		if len(s.Missing) > spansKept {
			s.Missing = slices.Delete(s.Missing, 0, 1)
		}
		s.HighWater = n
		return true
	}
	for i, m := range s.Missing {
		if m.From <= n && n <= m.To {
			s.Missing = slices.Replace(s.Missing, i, i+1, m.without(n)...)
			return true
		}
	}
	return false
}

// without is what is left of the run beside n.
func (m Span) without(n int64) (left []Span) {
	if m.From < n {
		left = append(left, Span{m.From, n - 1})
	}
	if n < m.To {
		left = append(left, Span{n + 1, m.To})
	}
	return left
}

// HasRead reports whether the scan of a number has been read.
func (s *Shipment) HasRead(n int64) bool {
	missing := slices.ContainsFunc(s.Missing, func(m Span) bool { return m.From <= n && n <= m.To })
	return n <= s.HighWater && !missing
}
