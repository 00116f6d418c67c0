// waybill-bench measures the whole system on one machine, the floor beside the product: what a shipment costs, what
// the bridge takes, how late Odoo shows it, what Odoo bears. No rate is told without a count of what it left behind.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"waybill/starters/rig"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := command().ExecuteContext(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "waybill-bench:", err)
		os.Exit(1)
	}
}

// options are the bench's flags.
type options struct {
	only     []string
	json     string
	doc      string
	dir      string
	profile  string
	postgres string
	seed     uint64

	rounds    int
	shipments int
	abreast   int
	pace      time.Duration
	gzip      bool

	volley   time.Duration
	sustain  time.Duration
	burst    time.Duration
	drain    time.Duration
	fleet    int
	waiting  int
	samples  int
	postings int
	billable int
}

func command() *cobra.Command {
	var o options
	c := &cobra.Command{
		Use: "waybill-bench", Short: "Measure the whole system on this machine, the floor beside the product",
		Long: `Measure the whole system on this machine, the floor beside the product.

TEMPORAL_ADDRESS must not be set: the Temporal that is measured is one of the bench's own. ODOO_URL, ODOO_DB,
ODOO_LOGIN and ODOO_PASSWORD set put a real Odoo in the stand-in's place for lag, odoo and monthend; the bench sells there.`,
		SilenceUsage: true, SilenceErrors: true, Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return run(cmd.Context(), o) },
	}
	f := c.Flags()
	f.StringSliceVar(&o.only, "only", nil, "the parts to measure, of "+strings.Join(names(), ",")+"; none: all")
	f.StringVar(&o.json, "json", "", "write the figures to this file")
	f.StringVar(&o.doc, "doc", "", "write the figures as a page of Markdown to this file")
	f.StringVar(&o.dir, "dir", "var/bench", "where the bench keeps its files; emptied at the start")
	f.StringVar(&o.profile, "profile", "", "write CPU profiles of worker and bridge into this folder, and what took most of each into profile.txt there; the figures of such a run are of profiled programs")
	f.StringVar(&o.postgres, "postgres", os.Getenv("WAYBILL_BENCH_POSTGRES"), "URL of a PostgreSQL database, to measure bridge and scale on it too; each has a schema of its own there while it runs")
	f.Uint64Var(&o.seed, "seed", 1, "what decides quantities and carriers")
	f.IntVar(&o.rounds, "rounds", 3, "how often each figure is taken; the median is told, with least and most; memory takes each round in a system started anew")
	f.IntVar(&o.shipments, "shipments", 16, "shipments in a round of the story")
	f.IntVar(&o.abreast, "abreast", 16, "shipments under way at once")
	f.DurationVar(&o.pace, "pace", 800*time.Millisecond, "between the events of a shipment")
	f.BoolVar(&o.gzip, "floor-gzip", false, "the floor compresses what it sends to Temporal, as the SDK does by default and the product does not")
	f.DurationVar(&o.volley, "volley", 2*time.Second, "how long deliveries are fired in a closed loop, 1s to 1m")
	f.DurationVar(&o.sustain, "sustain", 30*time.Second, "how long 500 deliveries a second are sent, up to 10m")
	f.DurationVar(&o.burst, "burst", 20*time.Second, "how long a burst of 500 a second over 50 lasts, up to 10m")
	f.DurationVar(&o.drain, "drain", 45*time.Second, "how long the relay may take to catch up after each load")
	f.IntVar(&o.fleet, "fleet", 64, "shipments in transit that the load is spread over")
	f.IntVar(&o.waiting, "waiting", 500, "shipments waiting in transit whose memory is measured")
	f.IntVar(&o.samples, "samples", 100, "events whose way to Odoo is timed")
	f.IntVar(&o.billable, "billable", 500, "shipments that become billable at once")
	f.IntVar(&o.postings, "postings", 20, "invoices posted at each concurrency")
	c.AddCommand(floorCommand())
	return c
}

// part is one thing that can be measured by itself.
type part struct {
	name, title string
	measure     func(*bench, context.Context) error
	real        bool // it is about Odoo: a real one where there is one; the others have the stand-in, whose work is not counted
}

func parts() []part {
	return []part{
		{"story", "What a clean shipment costs, over a bare workflow of the same commands", (*bench).story, false},
		{"bridge", "What the bridge takes", (*bench).bridge, false},
		{"lag", "From the bridge's answer to Odoo", (*bench).lag, true},
		{"odoo", "What Odoo bears", (*bench).odoo, true},
		{"monthend", "Many shipments billable at once", (*bench).monthEnd, true},
		{"memory", "What a waiting shipment holds", (*bench).memory, false},
		{"scale", "More processes, and a noisy partner", (*bench).scale, false},
	}
}

func names() (ns []string) {
	for _, p := range parts() {
		ns = append(ns, p.name)
	}
	return ns
}

func (o options) check() error {
	for _, n := range o.only {
		if !slices.Contains(names(), n) {
			return fmt.Errorf("--only %s: want of %s", n, strings.Join(names(), ","))
		}
	}
	const longest = 10 * time.Minute
	for name, d := range map[string]time.Duration{"volley": o.volley, "sustain": o.sustain, "burst": o.burst, "drain": o.drain} {
		if d < time.Second || d > longest {
			return fmt.Errorf("--%s %s: want 1s to %s", name, d, longest)
		}
	}
	for name, n := range map[string]int{"rounds": o.rounds, "shipments": o.shipments, "abreast": o.abreast, "fleet": o.fleet, "waiting": o.waiting, "samples": o.samples, "postings": o.postings, "billable": o.billable} {
		if n < 1 || n > 10_000 {
			return fmt.Errorf("--%s %d: want 1 to 10000", name, n)
		}
	}
	if os.Getenv("TEMPORAL_ADDRESS") != "" {
		return fmt.Errorf("TEMPORAL_ADDRESS is set: unset it, the bench measures a Temporal of its own")
	}
	return nil
}

func say(format string, args ...any) { fmt.Fprintf(os.Stderr, "bench: "+format+"\n", args...) }

func run(ctx context.Context, o options) error {
	if err := o.check(); err != nil {
		return err
	}
	b := &bench{o: o, report: newReport()}
	if o.profile != "" {
		if err := b.buildProfiled(); err != nil {
			return err
		}
	}
	var faults []error
	for _, p := range parts() {
		if len(o.only) > 0 && !slices.Contains(o.only, p.name) {
			continue
		}
		if err := b.take(ctx, p); err != nil {
			faults = append(faults, fmt.Errorf("%s: %w", p.name, err))
			b.word("It ended early: %v", err)
		}
		if ctx.Err() != nil {
			break
		}
	}
	faults = append(faults, b.profileText(), b.report.write(o.json, o.doc), b.report.print(os.Stdout))
	return errors.Join(faults...)
}

// odooURL is where the real Odoo is.
const odooURL = "ODOO_URL"

// bench is one run.
type bench struct {
	o      options
	report *report
	part   string
}

func (b *bench) take(ctx context.Context, p part) error {
	say("%s: %s", p.name, strings.ToLower(p.title[:1])+p.title[1:])
	b.part = p.name
	began := time.Now()
	b.report.begin(p)
	if url := os.Getenv(odooURL); url != "" && !p.real {
		if err := os.Unsetenv(odooURL); err != nil {
			return err
		}
		defer func() { _ = os.Setenv(odooURL, url) }() // it was set before
	}
	if err := p.measure(b, ctx); err != nil {
		return err
	}
	say("%s took %.0f s", p.name, time.Since(began).Seconds())
	return nil
}

// open starts a house of its own for a part, so that none finds what another left.
func (b *bench) open(ctx context.Context, o rig.Options) (*rig.House, error) {
	o.Dir = filepath.Join(b.o.dir, b.part)
	return rig.Open(ctx, o)
}
