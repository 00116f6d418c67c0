package main

import (
	"slices"
	"testing"
)

// TestSabotageIsFoundByWhatItBreaks alone, and the control by whatever breaks.
func TestSabotageIsFoundByWhatItBreaks(t *testing.T) {
	slow, lost := "I8 convergence: stage closed: not within 1m30s", "I1: delivery carrier/7 was taken, and is in the inbox 0 times"
	for _, s := range sabotages {
		if by := s.shownBy([]string{slow}); by != "" {
			t.Errorf("%s is found by %q", s.tag, by)
		}
		if len(s.shows) == 0 {
			t.Errorf("%s breaks nothing", s.tag)
		}
		if _, err := choose(s.scenarios); err != nil {
			t.Error(err)
		}
	}
	ack := sabotages[slices.IndexFunc(sabotages, func(s sabotage) bool { return s.tag == "ack" })]
	if by := ack.shownBy([]string{slow, lost}); by != lost {
		t.Errorf("ack is found by %q", by)
	}
	c := control()
	if by := c.shownBy([]string{slow}); by != slow {
		t.Errorf("the control is found by %q", by)
	}
	o := c.options(1, "var/x")
	if _, err := choose(o.scenarios); err != nil || o.tags != "" || o.patience != sabotages[0].options(1, "").patience || o.duration == 0 {
		t.Errorf("the control runs with %+v: %v", o, err)
	}
}
