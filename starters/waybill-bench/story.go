package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/montanaflynn/stats"

	"waybill/starters/rig"
	"waybill/starters/rig/script"
	"waybill/workflows/freight"
	"waybill/workflows/protocol"
)

// kind is one way in which a clean shipment's events come.
type kind struct {
	name      string
	situation script.Situation
	actions   target
}

func kinds() []kind {
	return []kind{{"events apart", script.CleanSpread, atMost(36)}, {"events in 3 bursts", script.CleanBurst, atMost(24)}}
}

// costs are what one round of a kind took, a shipment.
type costs struct {
	server, worker, bridge, floorServer, floorWorker float64 // ms of CPU

	others  float64
	history []script.Cost // a shipment each
	tasks   []float64     // workflow tasks, a shipment each
	floor   []floorCost
	lean    float64 // server and worker of the leanest floor; 0 where it was not taken
}

func (c costs) ratio() float64 { return (c.server + c.worker) / (c.floorServer + c.floorWorker) }

// story measures the CPU of clean shipments through the real worker, and of bare workflows that give the server
// the same commands in the same batches. The stand-ins and the driver are in the bench's own process, which is not
// counted.
func (b *bench) story(ctx context.Context) error {
	h, err := b.open(ctx, rig.Options{})
	if err != nil {
		return err
	}
	defer h.Close()
	if _, err := b.play(ctx, h, script.CleanBurst, 2); err != nil { // caches, connections, prepared statements
		return err
	}
	if err := b.idle(ctx, h); err != nil {
		return err
	}
	rounds := map[string][]costs{}
	for i := range b.o.rounds {
		for _, k := range kinds() {
			c, err := b.round(ctx, h, k, i == 0)
			if err != nil {
				return err
			}
			rounds[k.name] = append(rounds[k.name], c)
		}
	}
	for _, k := range kinds() {
		b.tellCosts(k, rounds[k.name])
	}
	return nil
}

// idleSpan is how long the system is watched doing nothing.
const idleSpan = 5 * time.Second

func (b *bench) idle(ctx context.Context, h *rig.House) error {
	w, err := begin(members(h))
	if err != nil {
		return err
	}
	if err := pause(ctx, idleSpan); err != nil {
		return err
	}
	u, err := w.end()
	for _, name := range []string{"server", "worker"} {
		b.add(taken{name: name + " doing nothing", unit: "ms CPU/s", values: []float64{millis(u.cpu[name]) / u.wall.Seconds()}, note: "it is in the figures below", others: u.others})
	}
	return err
}

func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}

// play carries clean shipments to their end, and sees in Odoo that each was billed as it should be.
func (b *bench) play(ctx context.Context, h *rig.House, situation script.Situation, n int) (*script.Show, error) {
	s := script.New(h, script.Options{Seed: b.o.seed, Shipments: n, Situations: []script.Situation{situation}, Abreast: b.o.abreast, Pace: b.o.pace})
	if err := s.Play(ctx); err != nil {
		return s, err
	}
	return s, cameOutRight(ctx, s)
}

// cameOutRight sees in Odoo that every shipment was billed as the oracle has it, and once.
func cameOutRight(ctx context.Context, s *script.Show) error {
	wrong, err := s.Wrong(ctx)
	if len(wrong) > 0 {
		return fmt.Errorf("%d of %d shipments came out wrong: %s", len(wrong), len(s.Plans), strings.Join(wrong, "; "))
	}
	return err
}

// round takes the product, then its floor; lean takes the leanest floor as well.
func (b *bench) round(ctx context.Context, h *rig.House, k kind, lean bool) (c costs, err error) {
	done, err := b.profiling(ctx, h, "worker", "worker "+k.name)
	if err != nil {
		return c, err
	}
	w, err := begin(members(h))
	if err != nil {
		return c, err
	}
	s, err := b.play(ctx, h, k.situation, b.o.shipments)
	if err != nil {
		return c, err
	}
	u, err := w.end()
	if err != nil {
		return c, err
	}
	if err := done(); err != nil {
		return c, err
	}
	each := func(d time.Duration) float64 { return millis(d) / float64(b.o.shipments) }
	c = costs{server: each(u.cpu["server"]), worker: each(u.cpu["worker"]), bridge: each(u.cpu["bridge"]), others: u.others}
	scripts, err := b.histories(ctx, s, &c)
	if err != nil {
		return c, err
	}
	u, c.floor, err = b.floor(ctx, h, scripts)
	c.floorServer, c.floorWorker = each(u.cpu["server"]), each(u.cpu["floor"])
	if err != nil || !lean {
		return c, err
	}
	for i := range scripts {
		scripts[i] = scripts[i].lean()
	}
	u, _, err = b.floor(ctx, h, scripts)
	c.lean = each(u.cpu["server"] + u.cpu["floor"])
	return c, err
}

// histories reads what each shipment cost, and what the floor has to do for it.
func (b *bench) histories(ctx context.Context, s *script.Show, c *costs) (scripts []bare, err error) {
	for _, p := range s.Plans {
		cost, err := s.Cost(ctx, p)
		if err != nil {
			return nil, err
		}
		c.history = append(c.history, cost)
		bare, tasks, err := bareOf(ctx, s.Temporal, protocol.ShipmentWorkflowID(p.ID))
		if err != nil {
			return nil, err
		}
		c.tasks = append(c.tasks, float64(tasks))
		scripts = append(scripts, bare)
	}
	first := scripts[0].Began
	for _, s := range scripts {
		if s.Began.Before(first) {
			first = s.Began
		}
	}
	for i := range scripts {
		scripts[i].Start = scripts[i].Began.Sub(first)
	}
	return scripts, nil
}

func (b *bench) tellCosts(k kind, rounds []costs) {
	cpu := func(name string, t target, note string, of func(costs) float64) taken {
		others := each(rounds, func(c costs) float64 { return c.others })
		return taken{name: k.name + ": " + name, unit: "ms CPU", target: t, note: note, values: each(rounds, of), others: slices.Max(others)}
	}
	count := func(name, unit string, t target, of func(script.Cost) float64) taken {
		values := each(rounds, func(c costs) float64 { return median(each(c.history, of)) })
		return taken{name: k.name + ": " + name, unit: unit, target: t, values: values}
	}
	over := cpu("product over floor", atMost(1.6), "server and worker, over server and bare worker", costs.ratio)
	over.unit = "times"
	sum := func(f func(floorCost) float64) func(costs) float64 {
		return func(c costs) float64 { return median(each(c.floor, f)) }
	}
	b.add(
		count("actions", "", k.actions, func(c script.Cost) float64 { return float64(c.Total.Actions) }),
		count("history events", "", target{}, func(c script.Cost) float64 { return float64(c.Total.Events) }),
		count("history", "KB", atMost(40), func(c script.Cost) float64 { return float64(c.Total.Bytes) / 1000 }),
		taken{name: k.name + ": workflow tasks", values: each(rounds, func(c costs) float64 { return median(c.tasks) })},
		taken{name: k.name + ": floor's actions", note: "as many", values: each(rounds, sum(func(f floorCost) float64 { return float64(f.Actions) }))},
		taken{name: k.name + ": floor's workflow tasks", values: each(rounds, sum(func(f floorCost) float64 { return float64(f.Tasks) }))},
		cpu("Temporal server", target{}, "a shipment", func(c costs) float64 { return c.server }),
		cpu("worker", target{}, "a shipment; stories, activities, relay, scans of Odoo", func(c costs) float64 { return c.worker }),
		cpu("bridge", target{}, "a shipment; not in the ratio", func(c costs) float64 { return c.bridge }),
		cpu("floor, Temporal server", target{}, "a bare workflow", func(c costs) float64 { return c.floorServer }),
		cpu("floor, worker", target{}, "a bare workflow", func(c costs) float64 { return c.floorWorker }),
		over,
	)
	first := rounds[0]
	b.add(taken{name: k.name + ": product over the leanest floor", unit: "times", others: first.others, values: []float64{(first.server + first.worker) / first.lean},
		note: "taken once: all commands between two signals in one workflow task, as if no call needed another's answer"})
	b.word("%s, by stage: %s.", k.name, byStage(rounds))
}

// each is what of makes of every element.
func each[T any](ts []T, of func(T) float64) (vs []float64) {
	for _, t := range ts {
		vs = append(vs, of(t))
	}
	return vs
}

// median is the middle of some values; 0 of none.
func median(vs []float64) float64 {
	m, err := stats.Median(vs)
	if err != nil {
		return 0
	}
	return m
}

// mean is the arithmetic one; 0 of none.
func mean(vs []float64) float64 {
	m, err := stats.Mean(vs)
	if err != nil {
		return 0
	}
	return m
}

// byStage says in words what each stage took, the median over all shipments.
func byStage(rounds []costs) string {
	var all []script.Cost
	for _, r := range rounds {
		all = append(all, r.history...)
	}
	var said []string
	for _, stage := range freight.Stages() {
		of := func(f func(script.Figure) int) float64 {
			return median(each(all, func(c script.Cost) float64 { return float64(f(c.ByStage[string(stage)])) }))
		}
		events := of(func(f script.Figure) int { return f.Events })
		if events == 0 {
			continue
		}
		said = append(said, fmt.Sprintf("%s %s actions, %s events, %s KB", stage, number(of(func(f script.Figure) int { return f.Actions })), number(events),
			number(of(func(f script.Figure) int { return f.Bytes })/1000)))
	}
	return strings.Join(said, "; ")
}
