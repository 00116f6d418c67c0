package main

import (
	"os"
	"testing"
	"time"
)

// replayable makes the options of a run, or skips the test where what it needs is not here.
func (k kept) replayable(t *testing.T) options {
	t.Helper()
	o := options{seed: k.seed, shipments: k.shipments, duration: k.duration, scenarios: k.scenarios, abreast: 30, patience: 6 * time.Minute, dir: t.TempDir()}
	if k.store == "postgres" {
		o.store = os.Getenv("WAYBILL_CHAOS_STORE")
		if storeKind(o.store) != "postgres" {
			t.Skip("needs a PostgreSQL in WAYBILL_CHAOS_STORE that may be killed: " + k.command())
		}
	}
	if k.odoo == "real" && os.Getenv("ODOO_URL") == "" {
		t.Skip("needs a real Odoo: " + k.command())
	}
	if k.odoo == "standin" {
		t.Setenv("ODOO_URL", "")
	}
	return o
}

// TestNothingIsLostDoubledOrWrongWhileEverythingFails runs one seed for a minute of faults, and each that has ever
// failed as it was when it did.
func TestNothingIsLostDoubledOrWrongWhileEverythingFails(t *testing.T) {
	if testing.Short() {
		t.Skip("takes minutes of faults")
	}
	runs, err := readKept("testdata/seeds.txt")
	if err != nil {
		t.Fatal(err)
	}
	first := kept{1, 40, time.Minute, storeKind(os.Getenv("WAYBILL_CHAOS_STORE")), "standin", "all"}
	for _, k := range append([]kept{first}, runs...) {
		t.Run(k.String(), func(t *testing.T) {
			o := k.replayable(t)
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
			if len(v.Scenarios) < min(5, v.Fitting) || v.Checked["I3 invoices"] == 0 {
				t.Errorf("faults %v of %d kinds, checked %v: the run proved little", v.Scenarios, v.Fitting, v.Checked)
			}
		})
	}
}
