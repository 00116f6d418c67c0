package main

import (
	"bufio"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"
)

// seeds reads those that have failed once.
func seeds(t *testing.T) (failed []options) {
	t.Helper()
	f, err := os.Open("testdata/seeds.txt")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	for s := bufio.NewScanner(f); s.Scan(); {
		var o options
		if strings.HasPrefix(s.Text(), "#") {
			continue
		}
		if _, err := fmt.Sscan(s.Text(), &o.seed, &o.shipments, &o.scenarios); err != nil {
			t.Fatalf("testdata/seeds.txt: %q: %v", s.Text(), err)
		}
		failed = append(failed, o)
	}
	return failed
}

// TestNothingIsLostDoubledOrWrongWhileEverythingFails runs one seed for a minute of faults, and each seed that has
// ever failed.
func TestNothingIsLostDoubledOrWrongWhileEverythingFails(t *testing.T) {
	if testing.Short() {
		t.Skip("takes minutes of faults")
	}
	for _, o := range append([]options{{seed: 1, shipments: 40, scenarios: "all"}}, seeds(t)...) {
		t.Run(fmt.Sprintf("seed %d", o.seed), func(t *testing.T) {
			o.abreast, o.duration, o.patience, o.dir = 30, time.Minute, 6*time.Minute, t.TempDir()
			if o.scenarios == "all" {
				o.store = os.Getenv("WAYBILL_CHAOS_STORE")
			}
			chosen, err := choose(o.scenarios)
			if err != nil {
				t.Fatal(err)
			}
			v, err := once(t.Context(), o, chosen)
			if err != nil {
				t.Fatal(err)
			}
			for _, why := range v.Violations {
				t.Error(why)
			}
			if len(v.Scenarios) < 5 || v.Checked["I3 invoices"] == 0 {
				t.Errorf("faults %v, checked %v: the run proved little", v.Scenarios, v.Checked)
			}
		})
	}
}
