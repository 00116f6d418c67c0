package main

import (
	"bufio"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"waybill/starters/rig"
	"waybill/starters/rig/script"
	"waybill/workflows/freight"
)

// world is one run: the house, what is played in it, and what is known of both.
type world struct {
	o options
	h *rig.House
	s *script.Show

	next     string       // folder of the other version's binaries
	restarts atomic.Int64 // of workers: counted as each begins and ends
	holds    atomic.Int64 // of workers and bridges: counted as each begins and ends
	small    bool         // the store has a small disk of its own
	unmount  func()       // takes it away; nil where there is none

	processes  sync.Mutex // held while a fault is made of the processes
	mu         sync.Mutex
	history    *json.Encoder
	file       *os.File
	buffer     *bufio.Writer
	deliveries []script.Delivery
	verdict    verdict
	restored   bool // an older backup of the store was put back
}

// verdict is what came of a run.
type verdict struct {
	Seed       uint64         `json:"seed"`
	Fitting    int            `json:"fitting"`   // kinds of faults that could be made
	Scenarios  map[string]int `json:"scenarios"` // how often each fault was made
	Revived    int            `json:"revived"`   // processes that ended by themselves, and were started again
	Violations []string       `json:"violations"`
	Ledger     *script.Ledger `json:"ledger,omitempty"`
	Checked    map[string]int `json:"checked"` // how many things each invariant was checked on
	Seconds    float64        `json:"seconds"`
}

func (v verdict) first(n int) []string { return v.Violations[:min(n, len(v.Violations))] }

// moment is one line of the history.
type moment struct {
	At    time.Time `json:"at"`
	Op    string    `json:"op"` // "fault", "heal", "delivery"
	What  string    `json:"what,omitzero"`
	Value any       `json:"value,omitempty"`
}

// handOverOften makes stories hand over to a fresh run several times in their short life.
var handOverOften = []string{"limit.historyCount.suggestContinueAsNew=40"}

func open(ctx context.Context, o options, small bool) (*world, error) {
	w := &world{o: o, verdict: verdict{Seed: o.seed, Scenarios: map[string]int{}, Violations: []string{}, Checked: map[string]int{}}}
	var err error
	if w.o.store, err = ownDatabase(ctx, o.store, o.seed); err != nil {
		return nil, err
	}
	if small && w.o.store == "" {
		if w.o.store, w.unmount, err = mountSmall(filepath.Clean(o.dir) + "-disk"); err != nil {
			return nil, err
		}
		w.small = true
	}
	if w.h, err = rig.Open(ctx, rig.Options{Dir: o.dir, Workers: 2, Bridges: 2, Store: w.o.store, Tags: o.tags, Say: say, Config: handOverOften}); err != nil {
		return nil, err
	}
	w.next = filepath.Join(w.h.Dir, "next")
	if err := rig.Build(ctx, w.next, strings.TrimSpace(o.tags+" next"), "waybill/workers/waybill-worker"); err != nil {
		w.h.Close()
		return nil, err
	}
	if w.file, err = os.Create(filepath.Join(w.h.Dir, "history.jsonl")); err != nil {
		w.h.Close()
		return nil, err
	}
	w.buffer = bufio.NewWriter(w.file)
	w.history = json.NewEncoder(w.buffer)
	w.s = script.New(w.h, script.Options{Seed: o.seed, Shipments: o.shipments, Rough: true, Abreast: o.abreast, Orders: o.duration / time.Duration(max(o.shipments, 1)), Patience: o.patience, Observe: w.observe})
	return w, nil
}

// ownDatabase makes a database for this run alone on a PostgreSQL, so that no earlier run is in the way.
func ownDatabase(ctx context.Context, address string, seed uint64) (string, error) {
	u, err := url.Parse(address)
	if err != nil || !strings.HasPrefix(u.Scheme, "postgres") {
		return address, err
	}
	db, err := sql.Open("pgx", address)
	if err != nil {
		return "", err
	}
	defer func() { _ = db.Close() }()
	name := fmt.Sprintf("chaos_%d_%d", seed, time.Now().Unix())
	if _, err := db.ExecContext(ctx, "CREATE DATABASE "+name); err != nil {
		return "", fmt.Errorf("a database for the run: %w", err)
	}
	u.Path = "/" + name
	return u.String(), nil
}

func (w *world) close() {
	_ = errors.Join(w.buffer.Flush(), w.file.Close()) // the verdict is written already
	w.h.Close()
	if w.unmount != nil {
		w.unmount()
	}
}

func (w *world) observe(d script.Delivery) {
	w.mu.Lock()
	w.deliveries = append(w.deliveries, d)
	w.mu.Unlock()
	w.note("delivery", d.ID, d)
}

func (w *world) note(op, what string, value any) {
	w.mu.Lock()
	defer w.mu.Unlock()
	_ = w.history.Encode(moment{time.Now(), op, what, value}) // the verdict does not rest on it
}

func (w *world) violated(invariant, why string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.verdict.Violations = append(w.verdict.Violations, invariant+": "+why)
}

// suffer plays the shipments while faults are made, two at a time, and heals everything at the end.
func (w *world) suffer(ctx context.Context, fit []scenario) error {
	faults, stop := context.WithTimeout(ctx, w.o.duration)
	defer stop()
	var nemeses sync.WaitGroup
	for i, part := range []part{processes, partners} {
		n := &nemesis{world: w, rng: rand.New(rand.NewPCG(w.o.seed, 0xfa17+uint64(i))), scenarios: of(fit, part)}
		nemeses.Go(func() { n.run(faults, ctx) })
	}
	watching, unwatch := context.WithCancel(ctx)
	go w.watch(watching)
	go w.supervise(watching)
	err := w.s.Play(ctx)
	unwatch()
	nemeses.Wait()
	return err
}

// supervise starts again what has ended by itself, as whatever runs a company's processes does: a worker that begins
// while Temporal does not answer gives up.
func (w *world) supervise(ctx context.Context) {
	for pause(ctx, time.Second) {
		if !w.processes.TryLock() {
			continue // a fault has it down
		}
		for _, p := range append(append([]*rig.Process{}, w.h.Workers...), w.h.Bridges...) {
			if !p.Running() {
				w.revive(p)
			}
		}
		w.processes.Unlock()
	}
}

func (w *world) revive(p *rig.Process) {
	w.restarts.Add(1)
	defer w.restarts.Add(1)
	if err := p.Start(); err != nil {
		w.violated("supervise", err.Error())
		return
	}
	w.note("revived", p.Name, nil)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.verdict.Revived++
}

// watch says where the shipments stand.
func (w *world) watch(ctx context.Context) {
	for t := time.NewTicker(10 * time.Second); ; {
		select {
		case <-ctx.Done():
			t.Stop()
			return
		case <-t.C:
			counts, line := w.s.Stages(ctx), ""
			for _, s := range freight.Stages() {
				if counts[s] > 0 {
					line += fmt.Sprintf("  %s %d", s, counts[s])
				}
			}
			say("%4.0f s%s", time.Since(w.s.Began()).Seconds(), line)
		}
	}
}

// conclude writes oracle and verdict, and keeps a failing seed. Of a run that was interrupted, or in which no fault was
// made though there were some to make, nothing is concluded: its violations are not Waybill's.
func (w *world) conclude(ctx context.Context) error {
	if ctx.Err() != nil {
		return errInterrupted
	}
	w.verdict.Seconds = time.Since(w.s.Began()).Seconds()
	if err := write(filepath.Join(w.h.Dir, "oracle.json"), w.s.Oracle()); err != nil {
		return err
	}
	if err := write(filepath.Join(w.h.Dir, "verdict.json"), w.verdict); err != nil {
		return err
	}
	say("seed %d: %d violations, %v checked, faults %v, %.0f s", w.o.seed, len(w.verdict.Violations), w.verdict.Checked, w.verdict.Scenarios, w.verdict.Seconds)
	for _, v := range w.verdict.first(20) {
		say("violated %s", v)
	}
	switch {
	case len(w.verdict.Violations) > 0 && w.o.seeds != "":
		return keep(w.o.seeds, keptOf(w.o, w.h.Real))
	case len(w.verdict.Violations) == 0 && w.verdict.Fitting > 0 && len(w.verdict.Scenarios) == 0:
		return fmt.Errorf("no fault was made in %s: the run proves nothing, give it longer", w.o.duration)
	}
	return nil
}

func write(file string, v any) error {
	b, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(file, append(b, '\n'), 0o600)
}
