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
	"github.com/jedib0t/go-pretty/v6/text"
	"github.com/spf13/cobra"
)

// sabotage is a build that does one thing wrong, the faults under which that must show, and the invariants that must be
// what shows it: any other violation is not its own.
type sabotage struct {
	tag       string
	wrong     string
	scenarios string
	shipments int
	duration  time.Duration
	shows     []string
}

var sabotages = []sabotage{
	{"dedupe", "an event that comes again is taken for a new one", "none", 22, 10 * time.Second, []string{"I2"}},
	{"search", "an invoice is looked for and then made, instead of made under its key", "odoo-late,odoo-lost,worker-kill", 60, 60 * time.Second, []string{"I3", "I5"}},
	{"ack", "a delivery is answered before it is on disk", "bridge-kill", 60, 40 * time.Second, []string{"I1"}},
	{"listener", "scans are read in a coroutine beside the story", "none", 40, 20 * time.Second, []string{"I1", "I9"}},
	{"breaker", "a system that is down is called all the same", "billing-down,odoo-down", 60, 60 * time.Second, []string{"breaker"}},
	{"status", "a status is written without looking whether a newer one is there", "odoo-late,odoo-slow", 60, 60 * time.Second, []string{"I9"}},
}

// control is the build as it is, under the faults of all sabotages at once, for as long and with as little patience: in
// it nothing may show, or what a sabotage shows proves nothing.
func control() sabotage {
	c := sabotage{tag: controlTag, wrong: "nothing"}
	var names []string
	for _, s := range sabotages {
		c.shipments, c.duration = max(c.shipments, s.shipments), max(c.duration, s.duration)
		for _, name := range strings.Split(s.scenarios, ",") {
			if name != "none" && !slices.Contains(names, name) {
				names = append(names, name)
			}
		}
	}
	c.scenarios = strings.Join(names, ",")
	return c
}

const controlTag = "control"

const (
	seedsTried        = 3 // within so many seeds each sabotage must show
	sabotagedPatience = 90 * time.Second
)

func sabotageCommand() *cobra.Command {
	var only, dir string
	c := &cobra.Command{
		Use: "sabotage", Short: "Build Waybill with one thing wrong at a time, and see the faults find each", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return findAll(cmd.Context(), only, dir) },
	}
	c.Flags().StringVar(&only, "only", "", "comma-separated, control among them: the build with nothing wrong; empty: all")
	c.Flags().StringVar(&dir, "dir", "var/sabotage", "where the runs keep their files")
	return c
}

func findAll(ctx context.Context, only, dir string) error {
	t := table.NewWriter()
	t.SetOutputMirror(os.Stdout)
	t.AppendHeader(table.Row{"what is wrong", "must break", "found with seed", "by"})
	var missed []string
	for _, s := range append([]sabotage{control()}, sabotages...) {
		if only != "" && !slices.Contains(strings.Split(only, ","), s.tag) {
			continue
		}
		seed, by, err := s.find(ctx, dir)
		if err != nil {
			return err
		}
		found := fmt.Sprint(seed)
		if seed == 0 {
			found = "-"
		}
		if (seed == 0) != (s.tag == controlTag) {
			missed = append(missed, s.tag)
		}
		t.AppendRow(table.Row{s.tag + ": " + s.wrong, strings.Join(s.shows, " or "), found, text.Trim(by, 120)})
	}
	t.Render()
	if len(missed) > 0 {
		return fmt.Errorf("not as expected: %s (a sabotage must be found within %d seeds by what it breaks, and the control break nothing)", strings.Join(missed, ", "), seedsTried)
	}
	return nil
}

// find runs seeds until one shows the sabotage by an invariant that it must break, and says by which; seed is 0 where
// none does. The control is run once, and found where it breaks any.
func (s sabotage) find(ctx context.Context, dir string) (seed uint64, by string, err error) {
	chosen, err := choose(s.scenarios)
	if err != nil {
		return 0, "", err
	}
	var other []string
	for seed = 1; seed <= s.seeds(); seed++ {
		say("sabotage %s (%s), seed %d", s.tag, s.wrong, seed)
		v, err := once(ctx, s.options(seed, dir), chosen)
		if err != nil {
			return 0, "", err
		}
		if by := s.shownBy(v.Violations); by != "" {
			return seed, by, nil
		}
		other = append(other, v.first(1)...)
	}
	return 0, strings.Join(append([]string{"nothing of it"}, other...), "; "), nil
}

func (s sabotage) seeds() uint64 {
	if s.tag == controlTag {
		return 1
	}
	return seedsTried
}

func (s sabotage) options(seed uint64, dir string) options {
	o := options{seed: seed, shipments: s.shipments, abreast: 30, duration: s.duration, scenarios: s.scenarios, dir: filepath.Join(dir, s.tag), patience: sabotagedPatience}
	if s.tag != controlTag {
		o.tags = "sabotage_" + s.tag
	}
	return o
}

// shownBy is the first violation of an invariant that the sabotage must break; of the control, the first of any.
func (s sabotage) shownBy(violations []string) string {
	for _, v := range violations {
		invariant, _, _ := strings.Cut(v, ":")
		if s.tag == controlTag || slices.Contains(s.shows, invariant) {
			return v
		}
	}
	return ""
}
