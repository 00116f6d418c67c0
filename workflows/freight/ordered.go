package freight

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"time"
)

// Ordered is what an order in Odoo asks of a shipment, as far as carrying it depends on it. It holds no person and no street.
type Ordered struct {
	Lines  []OrderedLine `json:"lines,omitempty"` // of goods, by id, at most OrderedLinesKept
	Others string        `json:"others,omitzero"` // hash of the lines beyond
	ShipTo Place         `json:"shipTo"`
	Street string        `json:"street,omitzero"` // hash of street and town; "" for none
	By     time.Time     `json:"by,omitzero"`     // the customer wants it by then; zero where nobody says
}

// OrderedLine is a line of goods.
type OrderedLine struct {
	ID       int64  `json:"id"`       // sale.order.line
	Product  string `json:"product"`  // its internal reference, or "product 12"
	Quantity string `json:"quantity"` // decimal, in the line's unit
}

// OrderedLinesKept bounds the lines that a shipment carries; of those beyond it is known only that they have changed.
const OrderedLinesKept = 50

// HashOf names a text without telling it: 16 hex digits; "" for none.
func HashOf(text string) string {
	if text == "" {
		return ""
	}
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:8])
}

// Hash is the same for what asks the same.
func (o Ordered) Hash() string {
	o.By = o.By.UTC()
	return hashOf(o)[:16]
}

// Check says what is wrong with its form; nil for nothing.
func (o Ordered) Check() error {
	if len(o.Lines) > OrderedLinesKept || len(o.Others)+len(o.Street)+len(o.ShipTo.Country)+len(o.ShipTo.Postcode) > longestText {
		return fmt.Errorf("an order of %d lines: want at most %d, and texts of at most %d bytes", len(o.Lines), OrderedLinesKept, longestText)
	}
	for _, l := range o.Lines {
		if len(l.Product)+len(l.Quantity) > longestText {
			return fmt.Errorf("line %d: want texts of at most %d bytes", l.ID, longestText)
		}
	}
	if !o.By.IsZero() && !Plausible(o.By) {
		return errors.New("the time it is wanted by cannot be")
	}
	return nil
}

// Changes says in words what is otherwise than it was; nothing where all is the same.
func (o Ordered) Changes(was Ordered) (words []string) {
	words = append(o.changedLines(was), o.changedAddress(was)...)
	if !o.By.Equal(was.By) {
		words = append(words, fmt.Sprintf("wanted %s, was %s", wanted(o.By), wanted(was.By)))
	}
	return words
}

func (o Ordered) changedLines(was Ordered) (words []string) {
	find := func(ls []OrderedLine, id int64) (l OrderedLine, found bool) {
		if i := slices.IndexFunc(ls, func(l OrderedLine) bool { return l.ID == id }); i >= 0 {
			return ls[i], true
		}
		return l, false
	}
	for _, l := range o.Lines {
		switch before, there := find(was.Lines, l.ID); {
		case !there:
			words = append(words, fmt.Sprintf("%s of %s, new", l.Quantity, l.Product))
		case before.Product != l.Product || before.Quantity != l.Quantity:
			words = append(words, fmt.Sprintf("%s of %s, was %s of %s", l.Quantity, l.Product, before.Quantity, before.Product))
		}
	}
	for _, l := range was.Lines {
		if _, there := find(o.Lines, l.ID); !there {
			words = append(words, fmt.Sprintf("none of %s, was %s", l.Product, l.Quantity))
		}
	}
	if o.Others != was.Others {
		words = append(words, "other lines are otherwise")
	}
	return words
}

func (o Ordered) changedAddress(was Ordered) []string {
	is, before := o.ShipTo.Country+" "+o.ShipTo.Postcode, was.ShipTo.Country+" "+was.ShipTo.Postcode
	switch {
	case is != before:
		return []string{fmt.Sprintf("to be delivered to %s, was %s", is, before)}
	case o.Street != was.Street:
		return []string{"to be delivered to another street or town in " + is}
	case o.ShipTo.Ref != was.ShipTo.Ref:
		return []string{"to be delivered to another contact at the same address"}
	}
	return nil
}

func wanted(by time.Time) string {
	if by.IsZero() {
		return "at no time in particular"
	}
	return "by " + minute(by)
}

// ordered is what the order asked when it was last looked at; nil where that is not known.
func (s *Shipment) ordered() *Ordered {
	if s.Ordered != nil {
		return s.Ordered
	}
	return s.Release.Ordered
}

// See notes what the order asks now, and says in words what is otherwise than at the release; news is false where it is
// what was seen before, or what it asked at the release is not known.
func (s *Shipment) See(o Ordered) (changes []string, news bool) {
	was := s.ordered()
	if was == nil || s.Release.Ordered == nil || was.Hash() == o.Hash() {
		return nil, false
	}
	s.Ordered = &o
	return o.Changes(*s.Release.Ordered), true
}
