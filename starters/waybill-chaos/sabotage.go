package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/spf13/cobra"
)

// sabotage is a build that does one thing wrong, and the faults under which that must show.
type sabotage struct {
	tag       string
	wrong     string
	scenarios string
	shipments int
	duration  time.Duration
}

var sabotages = []sabotage{
	{"dedupe", "an event that comes again is taken for a new one", "none", 22, 10 * time.Second},
	{"search", "an invoice is looked for and then made, instead of made under its key", "odoo-late,odoo-lost,worker-kill", 60, 60 * time.Second},
	{"ack", "a delivery is answered before it is on disk", "bridge-kill", 60, 40 * time.Second},
	{"listener", "scans are read in a coroutine beside the story", "none", 40, 20 * time.Second},
	{"breaker", "a system that is down is called all the same", "billing-down,odoo-down", 60, 60 * time.Second},
	{"status", "a status is written without looking whether a newer one is there", "odoo-late,odoo-slow", 60, 60 * time.Second},
}

// seedsTried is within how many seeds each sabotage must show.
const seedsTried = 3

func sabotageCommand() *cobra.Command {
	var only, dir string
	c := &cobra.Command{
		Use: "sabotage", Short: "Build Waybill with one thing wrong at a time, and see the faults find each", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return findAll(cmd.Context(), only, dir) },
	}
	c.Flags().StringVar(&only, "only", "", "comma-separated; empty: all")
	c.Flags().StringVar(&dir, "dir", "var/sabotage", "where the runs keep their files")
	return c
}

func findAll(ctx context.Context, only, dir string) error {
	t := table.NewWriter()
	t.SetOutputMirror(os.Stdout)
	t.AppendHeader(table.Row{"sabotage", "found with seed", "by"})
	var missed []string
	for _, s := range sabotages {
		if only != "" && !slices.Contains(strings.Split(only, ","), s.tag) {
			continue
		}
		seed, by, err := s.find(ctx, dir)
		if err != nil {
			return err
		}
		if seed == 0 {
			missed = append(missed, s.tag)
			by = "nobody: " + s.wrong
		}
		t.AppendRow(table.Row{s.tag, seed, by})
	}
	t.Render()
	if len(missed) > 0 {
		return fmt.Errorf("not found within %d seeds: %s", seedsTried, strings.Join(missed, ", "))
	}
	return nil
}

// find runs seeds until one shows the sabotage, and says which invariant found it.
func (s sabotage) find(ctx context.Context, dir string) (seed uint64, by string, err error) {
	for seed = 1; seed <= seedsTried && ctx.Err() == nil; seed++ {
		say("sabotage %s (%s), seed %d", s.tag, s.wrong, seed)
		chosen, err := choose(s.scenarios)
		if err != nil {
			return 0, "", err
		}
		o := options{seed: seed, shipments: s.shipments, abreast: 30, duration: s.duration, scenarios: s.scenarios, dir: filepath.Join(dir, s.tag), tags: "sabotage_" + s.tag, patience: 90 * time.Second}
		v, err := once(ctx, o, chosen)
		if err != nil {
			return 0, "", err
		}
		if len(v.Violations) > 0 {
			return seed, v.Violations[0], nil
		}
	}
	return 0, "", ctx.Err()
}
