package config

import (
	"fmt"
	"regexp"
	"slices"
	"time"
	_ "time/tzdata" // a container may have no zones of its own

	"waybill/workflows/freight"
)

// Promise is how the promise to a customer, clocks.deliver, is watched. Without at_risk it is not.
type Promise struct {
	AtRisk   span                 `yaml:"at_risk"`
	Margin   span                 `yaml:"margin"`
	StopsFor []freight.FaultParty `yaml:"stops_for"`
	Calendar string               `yaml:"calendar"`
	Lanes    []Lane               `yaml:"lanes"`
}

// Lane is how long carriage to a place has taken.
type Lane struct {
	Country  string `yaml:"country"`
	Postcode string `yaml:"postcode"`
	P90      span   `yaml:"p90"`
}

// Calendar is when a customer does business.
type Calendar struct {
	Name     string   `yaml:"name"`
	Zone     string   `yaml:"zone"`
	Days     []int    `yaml:"days"`
	Opens    string   `yaml:"opens"`
	Closes   string   `yaml:"closes"`
	Holidays []string `yaml:"holidays"`
}

// clockForm is a time of day from 00:00 to 24:00.
var clockForm = regexp.MustCompile(`^(([01][0-9]|2[0-3]):[0-5][0-9]|24:00)$`)

// minutesOf are the minutes after midnight of a time of day; -1 for none.
func minutesOf(clock string) int {
	if !clockForm.MatchString(clock) {
		return -1
	}
	var h, m int
	_, _ = fmt.Sscanf(clock, "%d:%d", &h, &m) // it has the form
	return h*60 + m
}

func (c Calendar) check(f *faults, key string) {
	f.zone(key+".zone", c.Zone)
	f.want(len(c.Days) > 0, key+".days", fmt.Sprint(c.Days), "days of the week, 1 for Monday to 7 for Sunday")
	for _, d := range c.Days {
		f.want(d >= 1 && d <= 7, key+".days", fmt.Sprint(d), "1 for Monday to 7 for Sunday")
	}
	opens, closes := minutesOf(c.Opens), minutesOf(c.Closes)
	f.want(opens >= 0, key+".opens", c.Opens, "a time of day, such as 08:00")
	f.want(closes > opens, key+".closes", c.Closes, "a time of day after opens, such as 17:00")
	for _, day := range c.Holidays {
		_, err := time.Parse(time.DateOnly, day)
		f.want(err == nil, key+".holidays", day, "a date, such as 2026-12-25")
	}
}

// A snapshot of a calendar reaches so far back and ahead: further than a shipment's promise.
const (
	yearBack  = 30 * 24 * time.Hour
	yearAhead = 400 * 24 * time.Hour
)

// snapshot is a checked calendar around now, with the clock of its place written out.
func (c Calendar) snapshot(now time.Time) *freight.Calendar {
	out := &freight.Calendar{Zone: c.Zone, Days: c.Days, Opens: minutesOf(c.Opens), Closes: minutesOf(c.Closes)}
	from, to := now.Add(-yearBack), now.Add(yearAhead)
	for _, day := range slices.Sorted(slices.Values(c.Holidays)) {
		if day >= from.Format(time.DateOnly) && day <= to.Format(time.DateOnly) {
			out.Holidays = append(out.Holidays, day)
		}
	}
	zone, err := time.LoadLocation(c.Zone)
	if err != nil {
		return out // it was checked
	}
	for t := from.In(zone); t.Before(to); {
		_, seconds := t.Zone()
		out.Offsets = append(out.Offsets, freight.Offset{From: t.UTC(), Minutes: seconds / 60})
		_, end := t.ZoneBounds()
		if end.IsZero() {
			break
		}
		t = end
	}
	return out
}

func (p Policy) checkPromise(f *faults, key string, calendars []Calendar) {
	f.want(p.Delivery == "" || p.Delivery == "all_parcels" || p.Delivery == string(freight.FirstParcel), key+".delivery", p.Delivery, "all_parcels or first_parcel")
	s := p.Promise
	f.want(s.AtRisk > 0 || s.Margin == 0 && len(s.StopsFor) == 0 && s.Calendar == "" && len(s.Lanes) == 0, key+".promise.at_risk", time.Duration(s.AtRisk).String(), "how long before its end a promise is at risk, such as 6h")
	f.want(s.AtRisk == 0 || p.Clocks.Deliver > s.AtRisk, key+".promise.at_risk", time.Duration(s.AtRisk).String(), "less than clocks.deliver, the promise itself")
	for _, party := range s.StopsFor {
		f.want(party.Known(), key+".promise.stops_for", string(party), "carrier, shipper, consignee, customs, force_majeure or unknown")
	}
	checkCalendar(f, key+".promise.calendar", s.Calendar, calendars)
	for i, l := range s.Lanes {
		f.want(l.P90 > 0, fmt.Sprintf("%s.promise.lanes[%d].p90", key, i), time.Duration(l.P90).String(), "how long 9 of 10 take at most, such as 72h")
	}
}

// slaTerms are the terms by which a checked policy's promise is watched; nil where it is not.
func (p Policy) slaTerms(calendars []Calendar, now time.Time) *freight.SLATerms {
	if p.Promise.AtRisk == 0 {
		return nil
	}
	t := &freight.SLATerms{Buffer: time.Duration(p.Promise.AtRisk), Margin: time.Duration(p.Promise.Margin), Stops: p.Promise.StopsFor}
	for _, l := range p.Promise.Lanes {
		t.Lanes = append(t.Lanes, freight.Lane{Country: l.Country, Postcode: l.Postcode, P90: time.Duration(l.P90)})
	}
	t.Calendar = calendarOf(p.Promise.Calendar, calendars, now)
	return t
}

// checkCalendar wants a calendar that is there, or none.
func checkCalendar(f *faults, key, name string, calendars []Calendar) {
	known := slices.ContainsFunc(calendars, func(c Calendar) bool { return c.Name == name })
	f.want(name == "" || known, key, name, "the name of one of calendars")
}

// calendarOf is the snapshot around now of a checked calendar; nil for none.
func calendarOf(name string, calendars []Calendar, now time.Time) *freight.Calendar {
	for _, c := range calendars {
		if name != "" && c.Name == name {
			return c.snapshot(now)
		}
	}
	return nil
}

// deliveryRule is the rule as a shipment takes it along.
func (p Policy) deliveryRule() freight.DeliveryRule {
	if p.Delivery == string(freight.FirstParcel) {
		return freight.FirstParcel
	}
	return freight.AllParcels
}
