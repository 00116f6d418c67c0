package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"waybill/starters/rig"
	"waybill/starters/rig/script"
	"waybill/workflows/freight"
)

// bridge measures what the bridge accepts: first beside a relay that works, then alone.
func (b *bench) bridge(ctx context.Context) error {
	return b.onEach(ctx, rig.Options{Relay: relayDefaults}, b.bridgeOn)
}

func (b *bench) bridgeOn(ctx context.Context, h *rig.House, name string) error {
	fleet, err := b.fleet(ctx, h, b.o.fleet)
	if err != nil {
		return err
	}
	if err := b.steady(ctx, h, name, fleet); err != nil {
		return err
	}
	if err := b.closedLoops(ctx, h, name+", relay running", fleet, atLeast(800)); err != nil {
		return err
	}
	after := backlogs{taken: taken{name: name + ": catching up after that", unit: "s"}}
	if err := b.drained(ctx, h, &after); err != nil {
		return err
	}
	b.add(after.told())
	h.Workers[0].Stop(30 * time.Second)
	want := map[string]target{"SQLite": atLeast(1500), "PostgreSQL": atLeast(2500)}[name]
	return b.closedLoops(ctx, h, name+", relay paused", strangers(1000), want)
}

// relayDefaults are the relay's own defaults, which the demo shortens and lengthens.
const relayDefaults = "{idle: 250ms, gather: 200ms}"

// fleet are shipments in transit.
func (b *bench) fleet(ctx context.Context, h *rig.House, n int) (ss []subject, err error) {
	s := script.New(h, script.Options{Seed: b.o.seed, Shipments: n, Situations: []script.Situation{script.InTransit}, Abreast: 32, Pace: time.Millisecond})
	if err := s.Play(ctx); err != nil {
		return nil, err
	}
	pros := map[freight.ShipmentID]string{}
	for _, r := range h.TMS.Requests() {
		pros[r.Shipment] = r.PRO
	}
	for _, p := range s.Plans {
		ss = append(ss, subject{p.ID, pros[p.ID]})
	}
	return ss, awaitShown(ctx, h, ss)
}

// awaitShown waits until Odoo shows every shipment in transit.
func awaitShown(ctx context.Context, h *rig.House, fleet []subject) error {
	missing := map[string]bool{}
	for _, s := range fleet {
		missing[string(s.id)] = true
	}
	domain := []any{[]any{"x_waybill_status", "=", string(freight.StatusInTransit)}}
	return h.Await(ctx, "the fleet in transit in Odoo", 5*time.Minute, func() (bool, error) {
		rs, err := rows(h.Odoo.Call(ctx, "stock.picking", "search_read", []any{domain}, map[string]any{"fields": []string{"x_waybill_shipment"}}))
		for _, r := range rs {
			id, _ := r["x_waybill_shipment"].(string)
			delete(missing, id)
		}
		return len(missing) == 0, err
	})
}

// rows are the records of an answer.
func rows(v any, err error) (rs []map[string]any, _ error) {
	list, _ := v.([]any)
	for _, r := range list {
		if m, ok := r.(map[string]any); ok {
			rs = append(rs, m)
		}
	}
	return rs, err
}

// counted says how many.
func counted(n int, of string) string {
	if n == 1 {
		return "1 " + of
	}
	return fmt.Sprintf("%d %ss", n, of)
}

// fastest is more than any bridge here accepts a second: so many shots are made for each.
const fastest = 12_000

// closedLoops fires as fast as answers come, over few and many connections.
func (b *bench) closedLoops(ctx context.Context, h *rig.House, name string, about []subject, at64 target) error {
	l := &load{h: h, source: "carrier", about: about, name: strings.NewReplacer(", ", "-", " ", "-").Replace(name)}
	for _, conns := range []int{1, 16, 64} {
		rate := taken{name: fmt.Sprintf("%s: %s", name, counted(conns, "connection")), unit: "accepted/s"}
		p50, p99 := taken{name: rate.name + ", half within", unit: "ms"}, taken{name: rate.name + ", 99 % within", unit: "ms"}
		if conns == 64 {
			rate.target = at64
		}
		cpu := taken{name: rate.name + ", bridge", unit: "ms CPU", note: "for 1,000 deliveries"}
		var accepted []string
		var load []float64
		for range b.o.rounds {
			v, u, err := b.volley(ctx, h, l, conns)
			if err != nil {
				return err
			}
			rate.values, p50.values, p99.values = append(rate.values, v.rate()), append(p50.values, v.quantile(50)), append(p99.values, v.quantile(99))
			cpu.values, load = append(cpu.values, u.perThousand("bridge", v)), append(load, u.perThousand(self, v))
			rate.others = max(rate.others, u.others)
			accepted = append(accepted, v.accepted...)
		}
		var err error
		if rate.note, err = reconcile(ctx, h, accepted); err != nil {
			return err
		}
		cpu.note += fmt.Sprintf("; the load generator took %.0f", median(load))
		b.add(rate, p50, p99, cpu)
	}
	return nil
}

func (b *bench) volley(ctx context.Context, h *rig.House, l *load, conns int) (v volley, u usage, err error) {
	shots, err := l.shots(int(fastest*b.o.volley.Seconds()), 0, 0)
	if err != nil {
		return v, u, err
	}
	done, err := b.profiling(ctx, h, "bridge", fmt.Sprintf("bridge %s %d", l.name, conns))
	if err != nil {
		return v, u, err
	}
	w, err := begin(members(h))
	if err != nil {
		return v, u, err
	}
	v = fire(ctx, h.BridgeAddresses(), shots, conns, b.o.volley)
	if u, err = w.end(); err != nil {
		return v, u, err
	}
	return v, u, errors.Join(done(), v.clean())
}

// perThousand is the CPU that processes took for 1,000 deliveries that were accepted, in ms.
func (u usage) perThousand(name string, v volley) float64 {
	return millis(u.cpu[name]) * 1000 / float64(max(len(v.accepted), 1))
}

// The rates of the open loops, a second.
const (
	busyRate  = 500
	quietRate = 50
)

// openLoop is a load that is sent at its rate, whatever the bridge answers.
type openLoop struct {
	title string
	after string // what catching up after it is called
	p99   target
	shots func() ([]shot, error)
}

// steady sends at a rate, whatever the bridge answers: first for long, then in a burst.
func (b *bench) steady(ctx context.Context, h *rig.House, name string, fleet []subject) error {
	l := &load{h: h, source: "carrier", about: fleet, name: name + "-steady"}
	for _, o := range []openLoop{
		{fmt.Sprintf("%s: %d/s for %.0f s, relay running", name, busyRate, b.o.sustain.Seconds()), name + ": catching up after that", atMost(100),
			func() ([]shot, error) { return l.shots(int(busyRate*b.o.sustain.Seconds()), 0, busyRate) }},
		{fmt.Sprintf("%s: burst from %d/s to %d/s for %.0f s", name, quietRate, busyRate, b.o.burst.Seconds()), name + ": catching up after the burst", atMost(250),
			func() ([]shot, error) { return l.burst(b.o.burst) }},
	} {
		if err := b.openLoops(ctx, h, o); err != nil {
			return err
		}
	}
	return nil
}

// burst is quiet, then busy, then quiet again.
func (l *load) burst(span time.Duration) (all []shot, err error) {
	const calm = 2 * time.Second
	from := time.Duration(0)
	for _, leg := range []struct {
		span time.Duration
		rate int
	}{{calm, quietRate}, {span, busyRate}, {calm, quietRate}} {
		shots, err := l.shots(int(float64(leg.rate)*leg.span.Seconds()), from, leg.rate)
		if err != nil {
			return nil, err
		}
		all, from = append(all, shots...), from+leg.span
	}
	return all, nil
}

// longestLate is how long after the last shot was due an open loop may go on.
const longestLate = 30 * time.Second

// openLoops takes the rounds of a load.
func (b *bench) openLoops(ctx context.Context, h *rig.House, o openLoop) error {
	half, most := taken{name: o.title + ", half within", unit: "ms"}, taken{name: o.title + ", 99 % within", unit: "ms", target: o.p99, note: "from when each was due"}
	cpu, after := taken{name: o.title + ", CPU of bridge and worker", unit: "ms CPU"}, backlogs{taken: taken{name: o.after, unit: "s"}}
	parts := map[string][]float64{}
	var accepted []string
	for range b.o.rounds {
		v, u, err := b.openLoop(ctx, h, o)
		if err != nil {
			return err
		}
		accepted = append(accepted, v.accepted...)
		half.values, most.values, most.others = append(half.values, v.quantile(50)), append(most.values, v.quantile(99)), max(most.others, u.others)
		for _, name := range []string{"bridge", "worker", "server", self} {
			parts[name] = append(parts[name], u.perThousand(name, v))
		}
		cpu.values = append(cpu.values, u.perThousand("bridge", v)+u.perThousand("worker", v))
		if err := b.drained(ctx, h, &after); err != nil {
			return err
		}
	}
	note, err := reconcile(ctx, h, accepted)
	half.note = note + "; none refused"
	cpu.note = fmt.Sprintf("for 1,000 deliveries: bridge %.0f, worker %.0f; Temporal's server %.0f, the load and the partners %.0f",
		median(parts["bridge"]), median(parts["worker"]), median(parts["server"]), median(parts[self]))
	b.add(half, most, cpu, after.told())
	return err
}

func (b *bench) openLoop(ctx context.Context, h *rig.House, o openLoop) (v volley, u usage, err error) {
	shots, err := o.shots()
	if err != nil {
		return v, u, err
	}
	done, err := b.profiling(ctx, h, "worker", "worker "+o.title)
	if err != nil {
		return v, u, err
	}
	w, err := begin(members(h))
	if err != nil {
		return v, u, err
	}
	v = fire(ctx, h.BridgeAddresses(), shots, 64, shots[len(shots)-1].due+longestLate)
	if u, err = w.end(); err != nil {
		return v, u, err
	}
	if err := errors.Join(done(), v.clean()); err != nil {
		return v, u, err
	}
	if len(v.accepted) != len(shots) {
		return v, u, fmt.Errorf("of %d deliveries %d were not sent in time", len(shots), len(shots)-len(v.accepted))
	}
	return v, u, nil
}

// backlogs are the times in which the relay caught up, and the most that it had left.
type backlogs struct {
	taken
	waited, left int
}

func (l backlogs) told() taken {
	l.note = fmt.Sprintf("%d events waited", l.waited)
	if len(l.values) > 1 {
		l.note = "at most " + l.note
	}
	if l.left > 0 {
		l.note += fmt.Sprintf("; %d still do: it is not over", l.left)
	}
	return l.taken
}

// drained waits until the stories have what the relay had left, and notes how long that took.
func (b *bench) drained(ctx context.Context, h *rig.House, l *backlogs) error {
	began := time.Now()
	left, err := backlog(ctx, h)
	if err != nil {
		return err
	}
	l.waited = max(l.waited, left)
	for left > 0 && time.Since(began) < b.o.drain {
		if err := pause(ctx, 250*time.Millisecond); err != nil {
			return err
		}
		if left, err = backlog(ctx, h); err != nil {
			return err
		}
	}
	l.values, l.left = append(l.values, time.Since(began).Seconds()), left
	return nil
}

// backlog counts what was accepted and has not been sent to a story.
func backlog(ctx context.Context, h *rig.House) (int, error) {
	const all = 10_000_000
	ds, err := h.Store.Waiting(ctx, all)
	if err != nil {
		return 0, err
	}
	counts, err := h.Store.ScanCounts(ctx)
	return len(ds) + counts["matched"], err
}
