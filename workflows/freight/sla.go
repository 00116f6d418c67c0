package freight

import (
	"cmp"
	"fmt"
	"slices"
	"time"
)

// SLAState is how a promise to a customer stands. The texts are in histories and in Odoo.
type SLAState string

// The states; "" where nothing was promised.
const (
	OnTime  SLAState = "on_time"
	AtRisk  SLAState = "at_risk"
	Late    SLAState = "late"
	Unknown SLAState = "unknown" // nothing says when it will come, and it is not yet at risk for that
)

// SLAStates lists every state, for the selection field in Odoo.
func SLAStates() []SLAState { return []SLAState{OnTime, AtRisk, Late, Unknown} }

// SLA is a decision on how the promise stands, and why.
type SLA struct {
	State    SLAState  `json:"state"`
	Since    time.Time `json:"since"`
	Due      time.Time `json:"due,omitzero"`      // when the promise ends; zero while its clock stands
	Expected time.Time `json:"expected,omitzero"` // zero where nobody knows
	Reason   string    `json:"reason,omitzero"`   // "" for on time without more to say
	Evidence []string  `json:"evidence,omitempty"`
	Policy   string    `json:"policy,omitzero"` // name@version, by which it was decided; none while on time
}

// SLAFacts are what a promise is judged by, and all of it.
type SLAFacts struct {
	Since     time.Time // when the promise was made
	Promise   time.Duration
	Journey   Journey
	Delivered bool
	ShipTo    Place
	Policy    string // name@version
	// Doubts: that nothing says when it will come is said. Shipments of an earlier release are on time until the buffer.
	Doubts bool
}

// margin is how much better it must get where the policy does not say: what carriers' estimates move by all day.
const margin = 30 * time.Minute

// Assess decides how a promise stands. It depends on nothing but its arguments: the facts, the policy, what was decided
// before, and now. What was at risk is on time again only when it is expected earlier by a margin than what put it at
// risk, so that an estimate that goes to and fro does not.
func Assess(f SLAFacts, t *SLATerms, was SLA, now time.Time) (s SLA) {
	if t == nil || f.Promise <= 0 {
		return SLA{}
	}
	stands := f.stoppages(t, now)
	s.Due = f.due(t, stands)
	f.judge(&s, t, was, now)
	for _, p := range stands {
		s.Evidence = append(s.Evidence, p.words())
	}
	if s.State != OnTime {
		s.Policy = f.Policy
	}
	s.Since = was.Since
	if s.State != was.State {
		s.Since = now
	}
	return s
}

func (f SLAFacts) judge(s *SLA, t *SLATerms, was SLA, now time.Time) {
	s.State = OnTime
	switch {
	case f.Delivered:
		f.judgeDelivered(s)
	case s.Due.IsZero():
		s.Reason = "the clock of the promise stands"
	case now.After(s.Due):
		s.State, s.Reason = Late, "not delivered by "+minute(s.Due)
	default:
		f.judgeExpected(s, t, was, now)
	}
}

// judgeDelivered compares delivery with promise. What rests on a guessed zone is said to.
func (f SLAFacts) judgeDelivered(s *SLA) {
	at := f.Journey.DeliveredAt()
	s.Expected = at
	if s.Due.IsZero() || !at.After(s.Due) {
		return
	}
	s.State, s.Reason = Late, fmt.Sprintf("delivered at %s, promised by %s", minute(at), minute(s.Due))
	if f.Journey.Occurrence(Delivered).Assumed {
		s.Evidence = append(s.Evidence, "the zone of the delivery's time is a guess: let no penalty rest on it")
	}
}

func (f SLAFacts) judgeExpected(s *SLA, t *SLATerms, was SLA, now time.Time) {
	why := ""
	s.Expected, why = f.expected(t)
	by := latest(s.Expected, now) // what was expected and has not come is expected now at best
	limit := s.Due.Add(-t.Buffer)
	if was.State == AtRisk || was.State == Late {
		limit = limit.Add(-cmp.Or(t.Margin, margin))
	}
	if !by.After(limit) {
		if f.Doubts && f.unforeseen(t) {
			s.State, s.Reason = Unknown, "nobody says when it will come, and of its lane no time is known"
		}
		return
	}
	s.State = AtRisk
	switch {
	case s.Expected.IsZero():
		s.Reason = "promised by " + minute(s.Due) + ", and nobody says when it will come"
	case s.Expected.Before(now):
		s.Reason = fmt.Sprintf("promised by %s; expected at %s, and it has not come", minute(s.Due), minute(s.Expected))
	default:
		s.Reason = fmt.Sprintf("promised by %s, expected at %s", minute(s.Due), minute(s.Expected))
	}
	if why != "" {
		s.Evidence = append(s.Evidence, why)
	}
}

// expected is when it should come: by the carrier's estimate or by the lane's history, whichever is later.
func (f SLAFacts) expected(t *SLATerms) (at time.Time, why string) {
	if eta, said := f.Journey.Expected(); !eta.IsZero() {
		at, why = eta, fmt.Sprintf("carrier's estimate %s, said at %s", minute(eta), minute(said))
	}
	picked, lane := f.Journey.At(PickedUp), t.lane(f.ShipTo)
	if picked.IsZero() || lane.P90 == 0 {
		return at, why
	}
	if by := picked.Add(lane.P90); by.After(at) {
		at, why = by, fmt.Sprintf("picked up at %s, and 9 of 10 on this lane take up to %s", minute(picked), lane.P90)
	}
	return at, why
}

// unforeseen reports whether nothing says when it will come: neither the carrier, nor the history of its lane.
func (f SLAFacts) unforeseen(t *SLATerms) bool {
	eta, _ := f.Journey.Expected()
	return eta.IsZero() && t.lane(f.ShipTo).P90 == 0
}

// stoppage is a time in which the clock of a promise stands.
type stoppage struct {
	from, to time.Time // to is zero while it lasts
	why      Mark
}

func (p stoppage) words() string {
	text := fmt.Sprintf("the clock stood from %s", minute(p.from))
	if !p.to.IsZero() {
		text += " to " + minute(p.to)
	}
	return fmt.Sprintf("%s: %s %s", text, p.why.Milestone, cmp.Or(p.why.Reason, string(p.why.fault())))
}

// fault is who answers for what a mark says.
func (m Mark) fault() FaultParty {
	return cmp.Or(m.FaultParty, Reason(m.Reason).FaultParty())
}

// halts reports whether m says that the freight does not go on.
func (m Milestone) halts() bool {
	return slices.Contains([]Milestone{PickupAttempted, DeliveryAttempted, Held, Delayed, Refused}, m)
}

// stoppages are when the freight did not go on by the fault of those for whom the clock stops: each from the event that
// says so until the next that says it goes on, or that another is at fault.
func (f SLAFacts) stoppages(t *SLATerms, now time.Time) (ps []stoppage) {
	marks := slices.Clone(f.Journey.Live())
	slices.SortStableFunc(marks, func(a, b Mark) int { return a.At.Compare(b.At) })
	for _, m := range marks {
		stops := m.Milestone.halts() && slices.Contains(t.Stops, m.fault())
		open := len(ps) > 0 && ps[len(ps)-1].to.IsZero()
		switch {
		case m.At.After(now):
		case stops && !open:
			ps = append(ps, stoppage{from: latest(m.At, f.Since), why: m})
		case open && !stops && (m.Milestone.halts() || m.Milestone.Rank() > 0):
			ps[len(ps)-1].to = m.At
		}
	}
	return ps
}

// due is when the promise ends: after so much time of the customer's business, without that in which the clock stood;
// zero while it stands.
func (f SLAFacts) due(t *SLATerms, stands []stoppage) time.Time {
	from, left := f.Since, f.Promise
	for _, p := range stands {
		ran := t.Calendar.Between(from, p.from)
		switch {
		case ran >= left:
			return t.Calendar.Add(from, left)
		case p.to.IsZero():
			return time.Time{}
		}
		left -= ran
		from = latest(from, p.to)
	}
	return t.Calendar.Add(from, left)
}

// NextLook is when the promise must be judged again if nothing happens until then; zero for never.
func (s SLA) NextLook(t *SLATerms) time.Time {
	switch {
	case t == nil || s.Due.IsZero():
		return time.Time{}
	case s.State == OnTime || s.State == Unknown:
		return s.Due.Add(-t.Buffer).Add(time.Second) // it is at risk only after that
	case s.State == AtRisk:
		return s.Due.Add(time.Second)
	}
	return time.Time{}
}

// promise are the facts by which the shipment's promise is judged.
func (s *Shipment) promise() SLAFacts {
	return SLAFacts{
		Since: s.Since, Promise: s.Terms.Clocks.Deliver, Journey: s.Journey, Delivered: s.Delivered(), ShipTo: s.Release.ShipTo,
		Policy: s.Terms.Policy + "@" + s.Terms.Version, Doubts: s.Doubtful,
	}
}

// Unforeseen reports whether a promise is watched of freight that a carrier has accepted and that is not delivered, and
// nothing says when it will come.
func (s *Shipment) Unforeseen() bool {
	watched := s.Terms.SLA != nil && s.Terms.Clocks.Deliver > 0
	return watched && s.Journey.Accepted() && !s.Delivered() && s.promise().unforeseen(s.Terms.SLA)
}

// Watch judges the promise as of now, and reports whether it stands otherwise than before.
func (s *Shipment) Watch(now time.Time) (changed bool) {
	if s.Terms.SLA == nil || s.Terms.Clocks.Deliver <= 0 {
		return false
	}
	was := SLA{}
	if s.SLA != nil {
		was = *s.SLA
	}
	is := Assess(s.promise(), s.Terms.SLA, was, now)
	s.SLA = &is
	return is.State != was.State
}
