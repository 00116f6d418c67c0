// waybill-chaos runs the whole system while everything fails that can fail, and then checks in Odoo itself that
// each shipment was invoiced once, to the cent. A run is made by its seed; a release may make another of it.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	err := command().ExecuteContext(ctx)
	if err != nil && ctx.Err() != nil {
		err = errInterrupted // whatever else was found was found because of that
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "waybill-chaos:", err)
	}
	os.Exit(exitCode(err))
}

// errInterrupted is for a run that a person ended.
var errInterrupted = errors.New("interrupted: nothing is concluded, and no seed is kept")

// exitCode is 0 for a run without fault of Waybill's, 130 for one that was interrupted, as a shell has it, else 1.
func exitCode(err error) int {
	switch {
	case err == nil:
		return 0
	case errors.Is(err, errInterrupted):
		return 130
	}
	return 1
}

// options are the flags of a run.
type options struct {
	seed      uint64
	shipments int
	abreast   int
	duration  time.Duration
	scenarios string
	store     string
	dir       string
	tags      string
	patience  time.Duration
	seeds     string
}

func command() *cobra.Command {
	var o options
	c := &cobra.Command{
		Use: "waybill-chaos", Short: "Fail everything that can fail, by a seed, and check every invoice in Odoo",
		Long: `Fail everything that can fail, by a seed, and check every invoice in Odoo.

Real processes, a real Temporal, partners on their real protocols. ODOO_URL, ODOO_DB, ODOO_LOGIN and ODOO_PASSWORD
set put a real Odoo in the stand-in's place. ODOO_SCRIPT, a program that takes kill, start, hold and resume, lets it be
killed and held; POSTGRES_SCRIPT, one that takes kill, up, hold, resume, dump and restore, does so for the PostgreSQL of
--store. The run leaves history.jsonl, oracle.json and verdict.json in its folder. It exits with 0 where all is as it must
be, with 1 where it is not, and with 130 where it was interrupted. Scenarios:

` + describe(),
		SilenceUsage: true, SilenceErrors: true, Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return run(cmd.Context(), o) },
	}
	f := c.Flags()
	f.Uint64Var(&o.seed, "seed", 1, "what decides shipments, events, faults and their times, within one release")
	f.IntVar(&o.shipments, "shipments", 40, "how many shipments")
	f.IntVar(&o.abreast, "abreast", 30, "how many are under way at once")
	f.DurationVar(&o.duration, "duration", time.Minute, "how long orders come and faults are made; then all heals and comes to rest")
	f.StringVar(&o.scenarios, "scenarios", "all", "comma-separated; none makes no faults")
	f.StringVar(&o.store, "store", "", "URL of the store; empty: a SQLite file in the folder")
	f.StringVar(&o.dir, "dir", "var/chaos", "where the run keeps its files; emptied at the start")
	f.StringVar(&o.tags, "tags", "", "build tags of the binaries: a sabotage")
	f.DurationVar(&o.patience, "patience", 6*time.Minute, "how long one step of a shipment may take, faults included")
	f.StringVar(&o.seeds, "seeds", "", "file to which a failing seed is added, to be run for ever")
	c.AddCommand(sabotageCommand(), outageCommand())
	return c
}

func say(format string, args ...any) { fmt.Fprintf(os.Stderr, "chaos: "+format+"\n", args...) }

func run(ctx context.Context, o options) error {
	chosen, err := choose(o.scenarios)
	if err != nil {
		return err
	}
	v, err := once(ctx, o, chosen)
	if err != nil || len(v.Violations) == 0 {
		return err
	}
	return fmt.Errorf("seed %d: %d violations: %s", o.seed, len(v.Violations), strings.Join(v.first(5), "; "))
}

// needsSmallDisk reports whether the store is to have a small disk of its own. It needs root, so it is asked for by name.
func needsSmallDisk(o options, chosen []scenario) bool {
	return o.scenarios != "all" && slices.ContainsFunc(chosen, func(s scenario) bool { return s.name == "disk-full" })
}

// once makes one run: all that goes wrong, then rest, then the check.
func once(ctx context.Context, o options, chosen []scenario) (verdict, error) {
	w, err := open(ctx, o, needsSmallDisk(o, chosen))
	if err != nil {
		return verdict{}, err
	}
	defer w.close()
	fit, left, err := w.fitting(chosen)
	if err != nil {
		return verdict{}, err
	}
	if len(left) > 0 {
		say("not made here: %s", strings.Join(left, ", "))
	}
	w.verdict.Fitting = len(fit)
	if err := w.suffer(ctx, fit); err != nil {
		w.violated("I8 convergence", err.Error())
	}
	if err := w.drain(ctx); err != nil {
		w.violated("I8 convergence", err.Error())
	}
	w.check(ctx)
	err = w.conclude(ctx)
	return w.verdict, err
}
