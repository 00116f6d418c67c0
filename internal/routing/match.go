package routing

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"waybill/workflows/freight"
)

// Match says which shipments something is for: by their customer, their lane and their service. A list that is empty
// matches everything, and so does the zero value.
type Match struct {
	Customers []freight.CustomerCode `yaml:"customers"`
	From      []string               `yaml:"from"`      // origin, ISO 3166-1 alpha-2
	To        []string               `yaml:"to"`        // destination
	Postcodes []string               `yaml:"postcodes"` // what the destination's begins with
	Services  []string               `yaml:"services"`
}

// Facts are what is known of a shipment to match it by.
type Facts struct {
	Customer freight.CustomerCode
	From, To string // countries
	Postcode string // of the destination
	Service  string
}

// FactsOf are those of a release.
func FactsOf(r freight.Release) Facts {
	return Facts{Customer: r.Customer, From: r.From, To: r.ShipTo.Country, Postcode: r.ShipTo.Postcode, Service: r.Service}
}

// FactsOfView are those of a shipment as its view has them.
func FactsOfView(v freight.View) Facts {
	return Facts{Customer: v.Customer, From: v.From, To: v.To, Postcode: v.Postcode, Service: v.Service}
}

var countryForm = regexp.MustCompile(`^[A-Z]{2}$`)

// Faults says all that cannot be meant, in words; none for nothing.
func (m Match) Faults() (words []string) {
	for _, c := range slices.Concat(m.From, m.To) {
		if !countryForm.MatchString(c) {
			words = append(words, fmt.Sprintf("%q: want a country as two capital letters, such as DE", c))
		}
	}
	if len(m.Postcodes) > 0 && len(m.To) != 1 {
		words = append(words, "postcodes mean nothing without one country in to")
	}
	if slices.Contains(m.Postcodes, "") {
		words = append(words, "an empty postcode matches every one: leave postcodes out")
	}
	return words
}

// Matches reports whether a shipment is meant.
func (m Match) Matches(f Facts) bool { return len(m.Misses(f)) == 0 }

// Misses names what of a shipment is not meant; none where it is.
func (m Match) Misses(f Facts) (whats []string) {
	for _, c := range []struct {
		what string
		ok   bool
	}{
		{"customer", has(m.Customers, f.Customer)}, {"from", has(m.From, f.From)}, {"to", has(m.To, f.To)},
		{"postcode", len(m.Postcodes) == 0 || slices.ContainsFunc(m.Postcodes, func(p string) bool { return strings.HasPrefix(f.Postcode, p) })},
		{"service", has(m.Services, f.Service)},
	} {
		if !c.ok {
			whats = append(whats, c.what)
		}
	}
	return whats
}

func has[T comparable](list []T, v T) bool { return len(list) == 0 || slices.Contains(list, v) }

// ByCustomerAlone reports whether nothing but the customer is asked for.
func (m Match) ByCustomerAlone() bool {
	return len(m.From)+len(m.To)+len(m.Postcodes)+len(m.Services) == 0
}

// within reports whether another matches all that this one does.
func (m Match) within(other Match) bool {
	return part(m.Customers, other.Customers, same) && part(m.From, other.From, same) && part(m.To, other.To, same) &&
		part(m.Postcodes, other.Postcodes, strings.HasPrefix) && part(m.Services, other.Services, same)
}

func same[T comparable](a, b T) bool { return a == b }

// part reports whether a list matches nothing that another does not.
func part[T any](of, whole []T, covers func(one, by T) bool) bool {
	if len(whole) == 0 {
		return true
	}
	for _, one := range of {
		if !slices.ContainsFunc(whole, func(by T) bool { return covers(one, by) }) {
			return false
		}
	}
	return len(of) > 0
}
