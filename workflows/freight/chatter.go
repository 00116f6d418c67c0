package freight

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// ChatterNote is one line of what has happened, for the chatter of the order in Odoo.
type ChatterNote struct {
	N    int64  `json:"n"`    // of the audit entry that says the same; a later note has a higher one. Odoo writes each once
	Text string `json:"text"` // plain text on one line, at most 500 bytes
}

// Chatter is what the order in Odoo is still to be told in words. The zero value is nothing.
type Chatter struct {
	Unsaid []ChatterNote `json:"unsaid,omitempty"` // oldest first, at most notesKept
	// Refusal is the number of the last note there was when Odoo refused a status: up to it, notes go with the next one, and
	// make none of their own.
	Refusal int64 `json:"refusal,omitzero"`
}

const (
	notesKept   = 30 // while Odoo is down the oldest beyond are dropped: the audit trail has all
	longestNote = 500
)

// say adds a note to the audit entry made last.
func (s *Shipment) say(format string, args ...any) {
	text := Clip(strings.Join(strings.Fields(fmt.Sprintf(format, args...)), " "), longestNote)
	s.Chatter.Unsaid = append(s.Chatter.Unsaid, ChatterNote{N: s.Audits, Text: text})
	if over := len(s.Chatter.Unsaid) - notesKept; over > 0 {
		s.Chatter.Unsaid = slices.Clone(s.Chatter.Unsaid[over:])
	}
}

// Said forgets the notes that the order has.
func (c *Chatter) Said(ns []ChatterNote) {
	if len(ns) > 0 {
		c.Unsaid = slices.DeleteFunc(slices.Clone(c.Unsaid), func(n ChatterNote) bool { return n.N <= ns[len(ns)-1].N })
	}
}

// Refused keeps what is unsaid for the next status, as Odoo has refused one.
func (c *Chatter) Refused() { c.Refusal = c.last() }

// Waits reports whether there is a note that came after Odoo's last refusal.
func (c *Chatter) Waits() bool { return c.last() > c.Refusal }

// last is the number of the newest note; 0 for none.
func (c *Chatter) last() int64 {
	if n := len(c.Unsaid); n > 0 {
		return c.Unsaid[n-1].N
	}
	return 0
}

// told reports whether the order is told of a kind. That Odoo or the store refuses reports concerns nobody there.
func (k ExceptionKind) told() bool { return k != ReportRefused }

// spoken is a wire word in a sentence: "pod_missing" -> "pod missing".
func spoken[T ~string](w T) string { return strings.ReplaceAll(string(w), "_", " ") }

// SayOpened tells the order of an exception: whose it is, until when, and what happened. Its audit entry has been made.
func (s *Shipment) SayOpened(e Exception) {
	if e.Kind.told() {
		s.say("Exception %d, %s, for %s by %s: %s", e.ID, spoken(e.Kind), spoken(e.Owner), minute(e.DueBy), e.Detail)
	}
}

// SayEnded tells the order how exceptions of one kind have ended together: by whom, or what has cured them. The end of a
// dispute is told as what was decided. Their audit entry has been made.
func (s *Shipment) SayEnded(es ...Exception) {
	e := es[0]
	i := slices.IndexFunc(s.Rulings, func(g Ruling) bool { return e.Kind == ChargeDisputed && string(g.Dispute) == e.Ref })
	switch r := e.Resolution; {
	case !e.Kind.told():
	case i >= 0:
		g := s.Rulings[i]
		s.say("Dispute %s was decided by %s: %s, %s stands: %s", e.Ref, g.By, g.Verdict.past(), g.Amount, g.Reason)
	case r.By == byWaybill:
		s.say("Exception %s, %s, is over: %s", numbersOf(es), spoken(e.Kind), r.Reason)
	default:
		s.say("Exception %d, %s, was resolved by %s with %s: %s", e.ID, spoken(e.Kind), r.By, r.Action, r.Reason)
	}
}

func numbersOf(es []Exception) string {
	var ns []string
	for _, e := range es {
		ns = append(ns, strconv.Itoa(e.ID))
	}
	return strings.Join(ns, ", ")
}

// past is the verdict as it is told afterwards.
func (v DisputeVerdict) past() string {
	if v == Approve {
		return "approved"
	}
	return "rejected"
}

// SayPosted tells the order of its invoice. Its audit entry has been made.
func (s *Shipment) SayPosted(inv Invoice) {
	s.say("Invoice %s is posted: %s net, %s in total", inv.Number, inv.Net, inv.Total)
}

// SayCancelled tells the order that its shipment is cancelled. Its audit entry has been made.
func (s *Shipment) SayCancelled(c CancelRequest) {
	s.say("The shipment is cancelled, as %s wants it: %s", c.By, c.Reason)
}
