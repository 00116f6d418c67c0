package connectors

import (
	_ "embed"
	"fmt"
	"strings"
	"time"
	_ "time/tzdata" // a container may have no zones of its own, and a local time must not change its meaning with the host

	"go.yaml.in/yaml/v3"

	"waybill/workflows/freight"
)

// Precision is how exactly a partner tells when something happened.
type Precision string

// The precisions.
const (
	Instant Precision = "instant" // a point in time
	Local   Precision = "local"   // what a clock showed, with no word about where it hung
	Day     Precision = "date"    // a day; the hour is ours
)

// Moment is a time as a partner tells it. The zero value is one that was not told.
type Moment struct {
	Time      time.Time // UTC
	Precision Precision
	Zone      freight.ZoneSource
	Raw       string // as it was written

	noSeconds bool
}

// Told reports whether there is one.
func (m Moment) Told() bool { return m.Raw != "" }

// exactness is how exactly a scan tells the moment.
func (m Moment) exactness() freight.Precision {
	switch {
	case m.Precision == Day:
		return freight.ToTheDay
	case m.noSeconds:
		return freight.ToTheMinute
	}
	return freight.ToTheInstant
}

// Place is where something happened, as far as a partner tells.
type Place struct{ City, State, Country string }

// String is the place in one line; "" for none.
func (p Place) String() string {
	var parts []string
	for _, s := range []string{p.City, p.State, p.Country} {
		if s != "" {
			parts = append(parts, s)
		}
	}
	return strings.Join(parts, ", ")
}

// maxPlace bounds each part of a place, in bytes.
const maxPlace = 60

// location is the place as a scan has it.
func (p Place) location() freight.Location {
	return freight.Location{City: cut(p.City, maxPlace), Region: cut(p.State, maxPlace), Country: cut(p.Country, maxPlace)}
}

//go:embed zones.yaml
var zoneTable []byte

// Zones are the clocks of the places that have one. The zero value knows none.
type Zones map[string]*time.Location

// ReadZones reads the clocks we know.
func ReadZones() (Zones, error) {
	names := map[string]string{}
	if err := yaml.Unmarshal(zoneTable, &names); err != nil {
		return nil, fmt.Errorf("connectors: zones.yaml: %w", err)
	}
	zs := Zones{}
	for place, name := range names {
		zone, err := time.LoadLocation(name)
		if err != nil {
			return nil, fmt.Errorf("connectors: zones.yaml: %s: %w", place, err)
		}
		zs[place] = zone
	}
	return zs, nil
}

// at is the zone of a place; nil where it has several, or is not told.
func (zs Zones) at(p Place) *time.Location {
	country := strings.ToUpper(p.Country)
	if zone := zs[country]; zone != nil {
		return zone
	}
	return zs[country+"-"+strings.ToUpper(p.State)]
}

// The ways partners write a time. Those of a country alone, with the month or the day first, are given by a mapping.
var (
	zoned = []string{time.RFC3339, "2006-01-02T15:04:05Z0700", "2006-01-02T15:04Z07:00", "2006-01-02 15:04:05Z07:00", "2006-01-02 15:04:05 Z0700"}
	local = []string{"2006-01-02T15:04:05", "2006-01-02T15:04", "2006-01-02 15:04:05", "2006-01-02 15:04", "2006-01-02 03:04 PM", "20060102150405"}
	daily = []string{"2006-01-02", "20060102"}
)

// Moment reads a time as it was written, at a place: in one of the usual ways, or in one of the partner's own layouts,
// which are Go's. Where the text has no zone, the place's is taken; where that is not one, UTC is assumed. The hour of
// a mere date is always assumed. What cannot be read is a moment without a time.
func (zs Zones) Moment(text string, at Place, own ...string) Moment {
	m := Moment{Raw: strings.TrimSpace(text)}
	if m.parse(time.UTC, Instant, zoned) || m.parse(time.UTC, Instant, own) {
		m.Zone = freight.ZoneFromPayload
		return m
	}
	zone := zs.at(at)
	m.Zone = freight.ZoneFromLocation
	if zone == nil {
		zone, m.Zone = time.UTC, freight.ZoneAssumedUTC
	}
	if !m.parse(zone, Local, local) && !m.parse(zone, Local, own) {
		m.parse(zone, Day, daily)
		m.Zone = freight.ZoneAssumedUTC
	}
	return m
}

// parse tries the layouts of one precision. One that has no zone cannot tell an instant.
func (m *Moment) parse(zone *time.Location, p Precision, layouts []string) bool {
	if m.Raw == "" {
		return false
	}
	for _, layout := range layouts {
		if p == Instant && !strings.Contains(layout, "07") {
			continue
		}
		if t, err := time.ParseInLocation(layout, m.Raw, zone); err == nil {
			m.Time, m.Precision, m.noSeconds = t.UTC(), p, !strings.Contains(layout, "05")
			return true
		}
	}
	return false
}
