package freight

import (
	"slices"
	"time"
)

// Calendar is when a customer does business. It is a snapshot, as terms are: the clock of its place is written out as
// offsets from UTC, so that the same shipment counts the same hours whatever a machine knows of time zones.
type Calendar struct {
	Zone     string   `json:"zone"`               // for people: "Europe/Berlin"
	Offsets  []Offset `json:"offsets"`            // of the zone, oldest first; before the first, the first holds
	Days     []int    `json:"days"`               // of the week, 1 for Monday to 7 for Sunday
	Opens    int      `json:"opens"`              // minutes after midnight
	Closes   int      `json:"closes"`             // minutes after midnight, at most 1440
	Holidays []string `json:"holidays,omitempty"` // "2026-12-25", sorted
}

// Offset is how many minutes ahead of UTC a clock is from a time on.
type Offset struct {
	From    time.Time `json:"from"`
	Minutes int       `json:"minutes"`
}

// at is the offset in force at a time.
func (c *Calendar) at(t time.Time) time.Duration {
	minutes := 0
	for i, o := range c.Offsets {
		if i == 0 || !t.Before(o.From) {
			minutes = o.Minutes
		}
	}
	return time.Duration(minutes) * time.Minute
}

// daysAhead bounds how far a calendar is looked through: one without a working day must not be looked at for ever.
const daysAhead = 5 * 366

// hours calls f with each stretch of business time that ends after a time, in order, until f has enough.
func (c *Calendar) hours(after time.Time, f func(from, to time.Time) (more bool)) {
	local := after.Add(c.at(after)).UTC()
	midnight := time.Date(local.Year(), local.Month(), local.Day(), 0, 0, 0, 0, time.UTC)
	for range daysAhead {
		if c.works(midnight) {
			from, to := c.instant(midnight, c.Opens), c.instant(midnight, c.Closes)
			if to.After(after) && !f(latest(from, after), to) {
				return
			}
		}
		midnight = midnight.AddDate(0, 0, 1)
	}
}

// works reports whether there is business on a day, given as midnight UTC of its date.
func (c *Calendar) works(day time.Time) bool {
	weekday := (int(day.Weekday())+6)%7 + 1
	return slices.Contains(c.Days, weekday) && !slices.Contains(c.Holidays, day.Format(time.DateOnly))
}

// instant is when the clock of the place shows so many minutes of a day.
func (c *Calendar) instant(midnight time.Time, minutes int) time.Time {
	shown := midnight.Add(time.Duration(minutes) * time.Minute)
	return shown.Add(-c.at(shown.Add(-c.at(shown))))
}

func latest(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// Between is how much business time lies between two times; all of it for no calendar, 0 where to is not after from.
func (c *Calendar) Between(from, to time.Time) (d time.Duration) {
	if !to.After(from) {
		return 0
	}
	if c == nil {
		return to.Sub(from)
	}
	c.hours(from, func(opens, closes time.Time) bool {
		if !opens.Before(to) {
			return false
		}
		if closes.After(to) {
			closes = to
		}
		d += closes.Sub(opens)
		return true
	})
	return d
}

// Add is when so much business time has passed since from; zero where there is none for years.
func (c *Calendar) Add(from time.Time, d time.Duration) (at time.Time) {
	if c == nil {
		return from.Add(d)
	}
	c.hours(from, func(opens, closes time.Time) bool {
		if length := closes.Sub(opens); length < d {
			d -= length
			return true
		}
		at = opens.Add(d)
		return false
	})
	return at
}
