package main

import (
	"context"
	"database/sql"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"waybill/starters/rig"
	"waybill/starters/rig/script"
)

// bare is a world in which nothing runs.
func bare(t *testing.T, o options) *world {
	return &world{o: o, h: &rig.House{Dir: t.TempDir()}, s: &script.Show{}, verdict: verdict{Scenarios: map[string]int{}, Checked: map[string]int{}}}
}

// TestEachRuleOfTheInboxFindsWhatBreaksIt.
func TestEachRuleOfTheInboxFindsWhatBreaksIt(t *testing.T) {
	w := bare(t, options{})
	db, err := sql.Open("sqlite", "file:"+filepath.Join(t.TempDir(), "inbox.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	run := func(q string, args ...any) {
		t.Helper()
		if _, err := db.Exec(q, args...); err != nil {
			t.Fatal(err)
		}
	}
	run(`CREATE TABLE inbox (source TEXT, delivery_id TEXT, state TEXT, reason TEXT)`)
	for _, r := range [][]any{{"good", "done", ""}, {"kept", "dead", "unreadable"}, {"mute", "dead", ""}, {"forged", "done", ""}, {"twice", "done", ""}, {"twice", "done", ""}} {
		run(`INSERT INTO inbox VALUES ('carrier', ?, ?, ?)`, r...)
	}
	taken := func(id string) script.Delivery {
		return script.Delivery{Source: "carrier", ID: id, Accepted: true, Code: 202}
	}
	w.deliveries = []script.Delivery{
		taken("good"), taken("kept"), taken("mute"), taken("lost"), {Source: "carrier", ID: "twice"}, {Source: "carrier", ID: "unanswered"},
		{Source: "carrier", ID: "forged", Refuse: true, Code: 401}, {Source: "carrier", ID: "refused", Refuse: true, Code: 401},
	}
	if _, err := w.checkInbox(t.Context(), db); err != nil {
		t.Fatal(err)
	}
	want := []string{
		"I1: delivery carrier/mute was taken, and is dead", "I1: delivery carrier/lost was taken, and is in the inbox 0 times",
		"I6: delivery carrier/twice is in the inbox 2 times", "I6: delivery carrier/forged had to be refused, was answered 401, and is in the inbox",
	}
	if !slices.Equal(w.verdict.Violations, want) {
		t.Errorf("got %q, want %q", w.verdict.Violations, want)
	}
}

// TestMoneyThatIsNobodysIsFoundWithoutItsShipment, by the order it bills.
func TestMoneyThatIsNobodysIsFoundWithoutItsShipment(t *testing.T) {
	orders := map[string]string{"demo-1": "S00001", "demo-2": "S00002", "": ""}
	for name, c := range map[string]struct {
		m     move
		lasts bool
		says  string
	}{
		"ours":                             {move{state: "posted", shipment: "demo-1", origin: "S00001"}, false, ""},
		"our draft":                        {move{state: "draft", shipment: "demo-1", origin: "S00001"}, false, "a draft"},
		"ours, cancelled":                  {move{state: "cancel", shipment: "demo-1", origin: "S00001"}, false, ""},
		"of our order, of no shipment":     {move{state: "posted", origin: "S00002"}, true, "says of no shipment"},
		"a draft of it":                    {move{state: "draft", origin: "S00002"}, true, "says of no shipment"},
		"of our order, another's shipment": {move{state: "posted", shipment: "demo-9", origin: "S00002"}, true, "nobody sent"},
		"of nothing, in a fresh Odoo":      {move{state: "posted"}, false, "says of no shipment"},
		"another run's, in a fresh Odoo":   {move{state: "posted", shipment: "demo-9", origin: "S00009"}, false, "nobody sent"},
		"another run's, in one that lasts": {move{state: "posted", shipment: "demo-9", origin: "S00009"}, true, ""},
	} {
		t.Run(name, func(t *testing.T) {
			if why := c.m.nobodys(orders, c.lasts); c.says == "" && why != "" || !strings.Contains(why, c.says) {
				t.Errorf("got %q, want %q", why, c.says)
			}
		})
	}
}

// TestKeptRunIsTheOneThatFailed: its line says all that made it, and is there once.
func TestKeptRunIsTheOneThatFailed(t *testing.T) {
	file := filepath.Join(t.TempDir(), "seeds.txt")
	o := options{seed: 7, shipments: 30, duration: 90 * time.Second, store: "postgres://waybill@127.0.0.1/chaos_7", scenarios: "deploy,clock", seeds: file}
	w := bare(t, o)
	w.h.Real = true
	w.violated("I3", "something")
	for range 2 {
		if err := w.conclude(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	all, err := readKept(file)
	if want := []kept{{7, 30, 90 * time.Second, "postgres", "real", "deploy,clock"}}; err != nil || !slices.Equal(all, want) {
		t.Errorf("got %v %v, want %v", all, err, want)
	}
	for _, bad := range []string{"11 40 all", "11 40 1m sqlite standin", "11 40 1m oracle standin all", "11 40 1m sqlite standin nothing-known"} {
		if _, err := parseKept(bad); err == nil {
			t.Errorf("%q was read", bad)
		}
	}
	if _, err := readKept("testdata/seeds.txt"); err != nil {
		t.Error(err)
	}
}

// TestInterruptedRunKeepsNoSeed: what it found, it found because it was interrupted.
func TestInterruptedRunKeepsNoSeed(t *testing.T) {
	w := bare(t, options{seed: 1, seeds: filepath.Join(t.TempDir(), "seeds.txt")})
	w.violated("I8 convergence", "context canceled")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	err := w.conclude(ctx)
	if !errors.Is(err, errInterrupted) || exitCode(err) != 130 || exitCode(errors.New("violations")) != 1 || exitCode(nil) != 0 {
		t.Errorf("got %v, exit code %d", err, exitCode(err))
	}
	if _, err := os.Stat(w.o.seeds); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a seed was kept: %v", err)
	}
}

// TestRunWithoutFaultsIsNoProof where faults were asked for.
func TestRunWithoutFaultsIsNoProof(t *testing.T) {
	w := bare(t, options{store: "postgres://waybill@127.0.0.1/chaos_1"})
	chosen, err := choose("disk-full")
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := w.fitting(chosen); err == nil || !strings.Contains(err.Error(), "disk-full") {
		t.Errorf("a full disk of PostgreSQL's: %v", err)
	}
	if fit, left, err := w.fitting(append(chosen, scenarios[0])); err != nil || len(fit) != 1 || !slices.Equal(left, []string{"disk-full"}) {
		t.Errorf("%d fit, %v do not: %v", len(fit), left, err)
	}
	if fit, _, err := w.fitting(nil); err != nil || len(fit) > 0 {
		t.Errorf("none chosen: %d, %v", len(fit), err)
	}
	w.verdict.Fitting = 1
	if err := w.conclude(t.Context()); err == nil || !strings.Contains(err.Error(), "no fault was made") {
		t.Errorf("none made: %v", err)
	}
	w.verdict.Scenarios["clock"] = 1
	if err := w.conclude(t.Context()); err != nil {
		t.Error(err)
	}
}
