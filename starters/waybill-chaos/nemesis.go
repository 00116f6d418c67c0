package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"waybill/starters/rig"
	"waybill/starters/rig/script"
	"waybill/workflows/protocol"
)

// part is what a fault is done to. A fault of one part never meets another of the same.
type part int

const (
	processes part = iota
	partners
)

// of are the scenarios of a part.
func of(all []scenario, p part) (some []scenario) {
	for _, s := range all {
		if s.part == p {
			some = append(some, s)
		}
	}
	return some
}

// scenario is one thing that goes wrong, and how it is mended.
type scenario struct {
	part part
	name string
	text string
	do   func(n *nemesis, ctx context.Context) error // makes the fault, waits, heals
	fits func(w *world) bool                         // nil: always
}

var scenarios = []scenario{
	{processes, "worker-kill", "SIGKILL of a worker, with its relay, in the middle of whatever it does", (*nemesis).workerKill, nil},
	{processes, "worker-hold", "SIGSTOP of a worker for longer than its heartbeat allows, then SIGCONT", (*nemesis).workerHold, nil},
	{processes, "bridge-kill", "SIGKILL of a bridge in the middle of a burst", (*nemesis).bridgeKill, nil},
	{processes, "bridge-hold", "SIGSTOP of a bridge in the middle of a burst, then SIGCONT", (*nemesis).bridgeHold, nil},
	{processes, "temporal-kill", "SIGKILL of the Temporal server", (*nemesis).temporalKill, ownTemporal},
	{processes, "temporal-hold", "SIGSTOP of the Temporal server, then SIGCONT", (*nemesis).temporalHold, ownTemporal},
	{processes, "temporal-part", "the network between workers and Temporal parts", (*nemesis).temporalPart, nil},
	{partners, "odoo-kill", "SIGKILL of Odoo", (*nemesis).odooKill, ownOdoo},
	{partners, "odoo-hold", "SIGSTOP of Odoo, then SIGCONT", (*nemesis).odooHold, ownOdoo},
	{partners, "odoo-down", "Odoo's connections are cut", (*nemesis).odooDown, nil},
	{partners, "odoo-hang", "Odoo takes every call and answers none", (*nemesis).odooHang, nil},
	{partners, "odoo-lost", "a third of Odoo's replies are lost after it has committed", (*nemesis).odooLost, nil},
	{partners, "odoo-late", "callers of Odoo are cut off, and what they asked for is done seconds later", (*nemesis).odooLate, nil},
	{partners, "odoo-slow", "Odoo takes seconds for each call", (*nemesis).odooSlow, nil},
	{partners, "odoo-busy", "Odoo answers 429 and 503 with Retry-After", (*nemesis).odooBusy, nil},
	{partners, "partners-busy", "billing engine and TMS answer 429 with Retry-After, and see that no worker comes sooner", (*nemesis).partnersBusy, nil},
	{partners, "billing-flap", "the billing engine fails every other call", (*nemesis).billingFlap, nil},
	{partners, "billing-down", "the billing engine is down", (*nemesis).billingDown, nil},
	{partners, "partner-hang", "billing engine, TMS or finance platform takes every call and answers none", (*nemesis).partnerHang, nil},
	{partners, "partners-lost", "a third of the partners' replies are lost after they have done it", (*nemesis).partnersLost, nil},
	{processes, "store-locked", "another process holds the store's only writer", (*nemesis).storeLocked, func(w *world) bool { return w.sqlite() }},
	{processes, "store-kill", "SIGKILL of PostgreSQL", (*nemesis).storeKill, ownPostgres},
	{processes, "store-hold", "SIGSTOP of PostgreSQL, then SIGCONT", (*nemesis).storeHold, ownPostgres},
	{processes, "store-restore", "an older backup of the store is put back, reconciled, and what is missing sent again", (*nemesis).storeRestore, func(w *world) bool { return w.sqlite() || canPostgres() }},
	{processes, "disk-full", "the store's disk is full", (*nemesis).diskFull, func(w *world) bool { return w.small }},
	{partners, "clock", "senders whose clocks are off: by four minutes, and by six", (*nemesis).clock, nil},
	{partners, "poison", "bodies no one can use, and garbage signals from a person's hand", (*nemesis).poison, nil},
	{processes, "deploy", "the workers are replaced by another version, and that is rolled back", (*nemesis).deploy, nil},
}

// What can be done to a server needs one of the run's own: Temporal, or a script that starts and kills a real Odoo, or a
// PostgreSQL.
func ownTemporal(w *world) bool { return w.h.Dev != nil }
func ownOdoo(w *world) bool     { return os.Getenv("ODOO_SCRIPT") != "" && w.h.Real }
func ownPostgres(w *world) bool { return !w.sqlite() && canPostgres() }

// canPostgres reports whether there is a program that can kill, dump and restore the PostgreSQL of the run.
func canPostgres() bool { return os.Getenv("POSTGRES_SCRIPT") != "" }

func describe() string {
	var b strings.Builder
	for _, s := range scenarios {
		fmt.Fprintf(&b, "  %-14s %s\n", s.name, s.text)
	}
	return b.String()
}

// choose finds scenarios by name.
func choose(names string) (chosen []scenario, err error) {
	switch names {
	case "all":
		return scenarios, nil
	case "none":
		return nil, nil
	}
	for _, name := range strings.Split(names, ",") {
		i := slices.IndexFunc(scenarios, func(s scenario) bool { return s.name == strings.TrimSpace(name) })
		if i < 0 {
			return nil, fmt.Errorf("there is no scenario %q; there are:\n%s", name, describe())
		}
		chosen = append(chosen, scenarios[i])
	}
	return chosen, nil
}

// fitting are the chosen scenarios that can be made here, and the names of the others. That none can be is an error: a
// run without faults proves nothing of them.
func (w *world) fitting(chosen []scenario) (fit []scenario, left []string, err error) {
	for _, s := range chosen {
		if s.fits == nil || s.fits(w) {
			fit = append(fit, s)
		} else {
			left = append(left, s.name)
		}
	}
	if len(chosen) > 0 && len(fit) == 0 {
		return nil, left, fmt.Errorf("no chosen fault can be made here: %s", strings.Join(left, ", "))
	}
	return fit, left, nil
}

// nemesis makes faults, one after the other, at times its seed decides.
type nemesis struct {
	*world
	rng       *rand.Rand
	scenarios []scenario
}

// run makes faults until ctx ends; a fault that has begun is healed within whole.
func (n *nemesis) run(ctx, whole context.Context) {
	fit := slices.Clone(n.scenarios)
	for round := 0; len(fit) > 0; round++ {
		if round%len(fit) == 0 { // each once, then each again, in another order
			n.rng.Shuffle(len(fit), func(i, j int) { fit[i], fit[j] = fit[j], fit[i] })
		}
		if !pause(ctx, n.between(500, 2500)) {
			return
		}
		s := fit[round%len(fit)]
		n.note("fault", s.name, nil)
		if err := n.make(whole, s); err != nil {
			n.violated("healing of "+s.name, err.Error())
			return
		}
		n.note("heal", s.name, nil)
		n.count(s.name)
	}
}

// make makes a fault and heals it.
func (n *nemesis) make(ctx context.Context, s scenario) error {
	if s.part == processes {
		n.processes.Lock()
		defer n.processes.Unlock()
	}
	return s.do(n, ctx)
}

func (n *nemesis) count(name string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.verdict.Scenarios[name]++
}

func (n *nemesis) between(low, high int64) time.Duration {
	return time.Duration(low+n.rng.Int64N(high-low)) * time.Millisecond
}

// pause waits, and reports whether it was not cut short.
func pause(ctx context.Context, d time.Duration) bool {
	select {
	case <-ctx.Done():
		return false
	case <-time.After(d):
		return true
	}
}

func (n *nemesis) worker() *rig.Process { return n.h.Workers[n.rng.IntN(len(n.h.Workers))] }

// restart notes that a worker begins anew while do is done: what it knew of its partners it has to find out again.
func (n *nemesis) restart(do func() error) error {
	n.restarts.Add(1)
	defer n.restarts.Add(1)
	return do()
}

func (n *nemesis) workerKill(ctx context.Context) error {
	p := n.worker()
	return n.restart(func() error {
		p.Kill()
		pause(ctx, n.between(0, 3000))
		return p.Start()
	})
}

func (n *nemesis) workerHold(ctx context.Context) error {
	long := int64(n.rng.IntN(2)) * 30_000 // every other time for longer than a heartbeat may be late
	n.holds.Add(1)
	n.hold(ctx, n.worker(), n.between(3000+long, 10_000+long))
	return nil
}

// hold stops a process for a while: what is sent to it waits, and time passes without it.
func (n *nemesis) hold(ctx context.Context, p *rig.Process, d time.Duration) {
	p.Signal(syscall.SIGSTOP)
	pause(ctx, d)
	n.holds.Add(1)
	p.Signal(syscall.SIGCONT)
}

func (n *nemesis) bridge() *rig.Process { return n.h.Bridges[n.rng.IntN(len(n.h.Bridges))] }

func (n *nemesis) bridgeKill(ctx context.Context) error {
	p := n.bridge()
	p.Kill()
	pause(ctx, n.between(0, 3000))
	return p.Start()
}

// bridgeHold holds a bridge for about as long as a sender waits for its answer, and longer.
func (n *nemesis) bridgeHold(ctx context.Context) error {
	n.hold(ctx, n.bridge(), n.between(3000, 25_000))
	return nil
}

func (n *nemesis) temporalKill(ctx context.Context) error {
	n.h.Dev.Kill()
	pause(ctx, n.between(500, 5000))
	return n.h.Dev.Start(ctx)
}

func (n *nemesis) temporalHold(ctx context.Context) error {
	if err := n.h.Dev.Signal(syscall.SIGSTOP); err != nil {
		return fmt.Errorf("hold Temporal: %w", err)
	}
	pause(ctx, n.between(2000, 15_000))
	return n.h.Dev.Signal(syscall.SIGCONT)
}

func (n *nemesis) temporalPart(ctx context.Context) error {
	n.h.ToWorker.Part()
	pause(ctx, n.between(2000, 12_000))
	n.h.ToWorker.Join()
	return nil
}

// byScript has the script that keeps a server do one thing to it, and another after a while. The second is done though
// the run has ended meanwhile: nothing stays down.
func byScript(ctx context.Context, script string, d time.Duration, first, then string) error {
	run := func(ctx context.Context, verb string) error {
		if out, err := exec.CommandContext(ctx, os.Getenv(script), verb).CombinedOutput(); err != nil {
			return fmt.Errorf("%s %s: %w: %s", os.Getenv(script), verb, err, out)
		}
		return nil
	}
	if err := run(ctx, first); err != nil {
		return err
	}
	pause(ctx, d)
	return run(context.WithoutCancel(ctx), then)
}

// odooKill takes down a real Odoo while no person is in it: what a person does there nobody repeats.
func (n *nemesis) odooKill(ctx context.Context) error {
	open := n.s.CloseOdoo()
	defer open()
	return byScript(ctx, "ODOO_SCRIPT", n.between(1000, 5000), "kill", "start")
}

// odooHold holds a real Odoo while no person is in it.
func (n *nemesis) odooHold(ctx context.Context) error {
	open := n.s.CloseOdoo()
	defer open()
	return byScript(ctx, "ODOO_SCRIPT", n.between(2000, 15_000), "hold", "resume")
}

// hurt applies a rule to some partners for a while.
func (n *nemesis) hurt(ctx context.Context, d time.Duration, rule func(*http.Request) rig.Fault, partners ...*rig.Faults) error {
	for _, f := range partners {
		f.Rule(rule)
	}
	pause(ctx, d)
	for _, f := range partners {
		f.Rule(nil)
	}
	return nil
}

// sometimes makes a fault of every so many calls. Each partner calls its rule for one call at a time.
func sometimes(rng *rand.Rand, one int, f rig.Fault) func(*http.Request) rig.Fault {
	own := rand.New(rand.NewPCG(rng.Uint64(), rng.Uint64()))
	return func(*http.Request) rig.Fault {
		if own.IntN(one) == 0 {
			return f
		}
		return rig.Fault{}
	}
}

// What a worker may still ask of a system that is down: a probe every so often of each guard it has there, and the
// few first calls of a queue that was at rest.
const (
	shutWithin  = 5 * time.Second
	probeEvery  = 2 * time.Second
	firstCalls  = 4
	hungCalls   = 8 // until a queue knows, as many are under way as it has at a time
	guardsOdoo  = 2 // one a user
	guardsOther = 1
)

// down cuts every call to a system, and sees that the workers stop calling it.
func (n *nemesis) down(ctx context.Context, system string, guards int, f *rig.Faults) error {
	return n.away(ctx, system, guards, firstCalls, f, rig.Fault{Cut: true})
}

// hung lets a system answer nothing, and sees that the workers stop calling it though no call fails.
func (n *nemesis) hung(ctx context.Context, system string, guards int, f *rig.Faults) error {
	return n.away(ctx, system, guards, hungCalls, f, rig.Fault{Hang: true})
}

func (n *nemesis) away(ctx context.Context, system string, guards, first int, f *rig.Faults, fault rig.Fault) error {
	f.Rule(func(*http.Request) rig.Fault { return fault })
	defer f.Rule(nil)
	pause(ctx, shutWithin)
	_, before := f.Counts()
	restarts, span := n.restarts.Load(), n.between(4000, 10_000)
	pause(ctx, span)
	_, after := f.Counts()
	most := len(n.h.Workers) * guards * (int(span/probeEvery) + first)
	if calls := after - before; calls > most && n.restarts.Load() == restarts { // a worker that starts has to find out for itself
		n.violated("breaker", fmt.Sprintf("%s was down, and %d calls reached it in %s; its probes are at most %d", system, calls, span.Round(time.Second), most))
	}
	return nil
}

func (n *nemesis) odooDown(ctx context.Context) error {
	return n.down(ctx, "Odoo", guardsOdoo, n.h.OdooFaults)
}

func (n *nemesis) odooHang(ctx context.Context) error {
	return n.hung(ctx, "Odoo", guardsOdoo, n.h.OdooFaults)
}

// partnerHang lets one partner answer nothing, which the seed chooses.
func (n *nemesis) partnerHang(ctx context.Context) error {
	which := n.rng.IntN(3)
	name := []string{"the billing engine", "the TMS", "the finance platform"}[which]
	return n.hung(ctx, name, guardsOther, []*rig.Faults{n.h.BillingFaults, n.h.TMSFaults, n.h.FinanceFaults}[which])
}

func (n *nemesis) odooLost(ctx context.Context) error {
	return n.hurt(ctx, n.between(5000, 15_000), sometimes(n.rng, 3, rig.Fault{Lose: true}), n.h.OdooFaults)
}

func (n *nemesis) odooLate(ctx context.Context) error {
	return n.hurt(ctx, n.between(5000, 15_000), sometimes(n.rng, 4, rig.Fault{Late: n.between(1500, 6000)}), n.h.OdooFaults)
}

func (n *nemesis) odooSlow(ctx context.Context) error {
	return n.hurt(ctx, n.between(4000, 8000), sometimes(n.rng, 1, rig.Fault{Slow: n.between(500, 3000)}), n.h.OdooFaults)
}

func (n *nemesis) odooBusy(ctx context.Context) error {
	code, seconds := []int{http.StatusTooManyRequests, http.StatusServiceUnavailable}[n.rng.IntN(2)], 1+n.rng.IntN(4)
	return n.hurt(ctx, n.between(3000, 8000), sometimes(n.rng, 2, rig.Fault{Code: code, After: strconv.Itoa(seconds)}), n.h.OdooFaults)
}

func (n *nemesis) billingFlap(ctx context.Context) error {
	return n.hurt(ctx, n.between(5000, 15_000), sometimes(n.rng, 2, rig.Fault{Code: http.StatusInternalServerError}), n.h.BillingFaults)
}

func (n *nemesis) billingDown(ctx context.Context) error {
	return n.down(ctx, "the billing engine", guardsOther, n.h.BillingFaults)
}

func (n *nemesis) partnersLost(ctx context.Context) error {
	d := n.between(5000, 15_000)
	for _, f := range []*rig.Faults{n.h.TMSFaults, n.h.BillingFaults} {
		f.Rule(sometimes(n.rng, 3, rig.Fault{Lose: true}))
	}
	err := n.hurt(ctx, d, sometimes(n.rng, 3, rig.Fault{Lose: true}), n.h.FinanceFaults)
	n.h.TMSFaults.Rule(nil)
	n.h.BillingFaults.Rule(nil)
	return err
}

// storeLocked holds the one writer SQLite has for longer than a statement waits for it.
func (n *nemesis) storeLocked(ctx context.Context) error {
	db, err := n.database()
	if err != nil {
		return err
	}
	defer func() { _ = db.Close() }()
	c, err := db.Conn(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = c.Close() }()
	if _, err := c.ExecContext(ctx, "BEGIN IMMEDIATE"); err != nil {
		return nil // the system is writing without a pause: there is nothing to hold
	}
	pause(ctx, n.between(2000, 14_000))
	_, err = c.ExecContext(ctx, "ROLLBACK")
	return err
}

func (n *nemesis) storeKill(ctx context.Context) error {
	return byScript(ctx, "POSTGRES_SCRIPT", n.between(500, 4000), "kill", "up")
}

func (n *nemesis) storeHold(ctx context.Context) error {
	return byScript(ctx, "POSTGRES_SCRIPT", n.between(2000, 15_000), "hold", "resume")
}

// deliver makes one delivery of no shipment, and notes what became of it.
func (n *nemesis) deliver(ctx context.Context, d script.Delivery, c rig.Clock) (rig.Answer, error) {
	a, err := n.h.Post(ctx, d.Source, d.ID, d.Body, c)
	d.Tries, d.Code, d.At, d.Accepted = 1, a.Code, time.Now(), err == nil && a.Code == http.StatusAccepted
	if d.Refuse {
		d.Body = nil // nobody sends it again
	}
	n.observe(d)
	return a, err
}

// clock sends as a partner whose clock is off: by four minutes it is taken, by six it is not.
func (n *nemesis) clock(ctx context.Context) error {
	for _, off := range []time.Duration{-6 * time.Minute, -4 * time.Minute, 4 * time.Minute, 6 * time.Minute} {
		id := fmt.Sprintf("clock-%d", n.rng.Uint64())
		d := script.Delivery{Source: "carrier", ID: id, Body: stray(id, n.rng), Refuse: off.Abs() > 5*time.Minute}
		a, err := n.deliver(ctx, d, rig.Clock{Off: off})
		if err != nil || a.Code >= http.StatusInternalServerError {
			continue // the bridge is down by another fault
		}
		if (a.Code == http.StatusAccepted) == d.Refuse {
			n.violated("clock", fmt.Sprintf("a delivery signed %s off was answered %d", off, a.Code))
		}
	}
	return nil
}

// stray is an event for a shipment nobody knows.
func stray(id string, rng *rand.Rand) []byte {
	return fmt.Appendf(nil, `{"specversion":"1.0","id":%q,"source":"urn:demo:carrier","type":"com.waybill.shipment.milestone.v1","subject":"shipment/nobody-%d","data":{"milestone":"delivered","occurredAt":%q}}`,
		id, 1+rng.Uint32(), time.Now().Add(-time.Minute).UTC().Format(time.RFC3339Nano))
}

// poison sends what no one can use. The bridge says so; the stories note it, and go on.
func (n *nemesis) poison(ctx context.Context) error {
	for _, body := range []string{`{`, `{"specversion":"1.0"}`, strings.Repeat("[", 5000), `{"a":1,"a":2}`, "\xff\xfe", `"` + strings.Repeat("x", 5<<20) + `"`} {
		d := script.Delivery{Source: "carrier", ID: fmt.Sprintf("poison-%d", n.rng.Uint64()), Body: []byte(body), Refuse: true}
		a, err := n.deliver(ctx, d, rig.Clock{})
		if err == nil && a.Code < http.StatusBadRequest {
			n.violated("poison", fmt.Sprintf("%.40q was answered %d", body, a.Code))
		}
	}
	for range 5 {
		p := n.s.Plans[n.rng.IntN(len(n.s.Plans))]
		if p.ID == "" {
			continue
		}
		name := []string{protocol.Scans.Name, protocol.PaymentSeen.Name, protocol.ResolveAsked.Name, protocol.DisputeSettled.Name}[n.rng.IntN(4)]
		_ = n.h.Temporal.SignalWorkflow(ctx, protocol.ShipmentWorkflowID(p.ID), "", name, "garbage") // it may have ended
	}
	return nil
}

// deploy replaces the workers one by one, and then goes back.
func (n *nemesis) deploy(ctx context.Context) error {
	for _, version := range []string{n.next, n.h.Bin} {
		for _, p := range n.h.Workers {
			err := n.restart(func() error {
				p.Stop(20 * time.Second)
				p.Use(version + "/waybill-worker")
				return p.Start()
			})
			if err != nil {
				return err
			}
			if !pause(ctx, n.between(500, 3000)) {
				return nil
			}
		}
	}
	return nil
}
