package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/spf13/cobra"
	"go.temporal.io/api/serviceerror"

	"waybill/starters/rig"
	"waybill/starters/rig/script"
	"waybill/workflows/protocol"
)

// outage is a partner that is down for long, and what the workers make of it.
type outage struct {
	h *rig.House
	s *script.Show

	Hang       bool          // it answers nothing, instead of cutting every call
	Span       time.Duration // how long it was down
	Opened     time.Duration // from the first call that failed, or was not answered, until the worker that made it had stopped calling
	Learned    int           // such calls before every worker had stopped: each finds out for itself
	Calls      int           // reached the partner while every worker had stopped
	Probes     int           // of them, as the workers count
	Waiting    int           // activities that waited for the partner at the end
	Attempted  int           // of those that waited since the beginning, tried again while it was down
	Resumed    time.Duration // from its return until every worker called again
	Violations []string
}

// system is the breaker's name for the partner that is taken down.
const system = "billing engine"

// settled is how long after a cut the few calls that were under way have had their one attempt: an attempt of the
// billing engine's lasts 30 s at most.
const settled = 45 * time.Second

func outageCommand() *cobra.Command {
	o := options{}
	var span time.Duration
	var hang bool
	c := &cobra.Command{
		Use: "outage", Short: "Take the billing engine down for long, and see that nothing is tried for nothing and all goes on at once", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if span < 2*settled {
				return fmt.Errorf("--span %s: want %s or more, so that there is something to see", span, 2*settled)
			}
			return suffer(cmd.Context(), o, span, hang)
		},
	}
	f := c.Flags()
	f.DurationVar(&span, "span", 10*time.Minute, "how long it is down")
	f.BoolVar(&hang, "hang", false, "it takes every call and answers none, instead of cutting it")
	f.IntVar(&o.shipments, "shipments", 30, "how many shipments")
	f.StringVar(&o.dir, "dir", "var/outage", "where the run keeps its files; emptied at the start")
	return c
}

// suffer plays clean shipments through an outage that begins with the first of them.
func suffer(ctx context.Context, o options, span time.Duration, hang bool) error {
	h, err := rig.Open(ctx, rig.Options{Dir: o.dir, Workers: 2, Say: say})
	if err != nil {
		return err
	}
	defer h.Close()
	u := &outage{h: h, Hang: hang, Span: span, s: script.New(h, script.Options{Seed: 1, Shipments: o.shipments, Situations: []script.Situation{script.CleanSpread, script.CleanBurst}, Orders: span / time.Duration(4*o.shipments), Patience: span + 5*time.Minute})}
	played := make(chan error, 1)
	go func() { played <- u.s.Play(ctx) }()
	if err := u.run(ctx); err != nil {
		return err
	}
	if err := <-played; err != nil {
		u.violated("%v", err)
	}
	l, err := u.s.Ledger(ctx)
	if err != nil {
		return err
	}
	for _, m := range l.Mismatches {
		u.violated("%s", m)
	}
	u.print(l)
	if len(u.Violations) > 0 {
		return errors.New(strings.Join(u.Violations, "; "))
	}
	return nil
}

func (u *outage) violated(format string, args ...any) {
	u.Violations = append(u.Violations, fmt.Sprintf(format, args...))
}

// run cuts the partner off, looks, and lets it come back.
func (u *outage) run(ctx context.Context) error {
	cut := time.Now()
	var first time.Time
	u.h.BillingFaults.Rule(func(*http.Request) rig.Fault { // it is called for one call at a time
		if first.IsZero() {
			first = time.Now()
		}
		return rig.Fault{Cut: !u.Hang, Hang: u.Hang}
	})
	defer u.h.BillingFaults.Rule(nil)
	say("the billing engine is down for %s", u.Span)
	called := u.await(ctx, "the first call", u.Span/2, func() bool { _, hurt := u.h.BillingFaults.Counts(); return hurt > 0 })
	if err := errors.Join(called, u.await(ctx, "the breaker opens", looking, func() bool { return len(u.said("system_down")) > 0 })); err != nil {
		u.violated("%v", err)
		return nil
	}
	if u.Opened = u.said("system_down")[0].Sub(first); u.Opened > shutWithin {
		u.violated("the breaker opened after %s, want %s", u.Opened, shutWithin)
	}
	if err := u.await(ctx, "every worker's breaker opens", u.Span/2, func() bool { return u.breakers(ctx) == len(u.h.Workers) }); err != nil {
		u.violated("%v", err)
	}
	u.Learned = u.calls() - u.probes(ctx)
	if !pause(ctx, settled) {
		return ctx.Err()
	}
	calls, probes, before := u.calls(), u.probes(ctx), u.attempts(ctx)
	say("every worker has stopped calling; %d activities wait", len(before))
	if !pause(ctx, u.Span-time.Since(cut)) {
		return ctx.Err()
	}
	after := u.attempts(ctx)
	u.Calls, u.Probes, u.Waiting = u.calls()-calls, u.probes(ctx)-probes, len(after)
	u.h.BillingFaults.Rule(nil)
	back := time.Now()
	if err := u.await(ctx, "every breaker closes", looking, func() bool { return u.breakers(ctx) == 0 }); err != nil {
		u.violated("%v", err)
	}
	for _, at := range u.said("system_back") {
		u.Resumed = max(u.Resumed, at.Sub(back))
	}
	if u.Resumed > probeEvery+time.Second {
		u.violated("the last breaker closed after %s, want %s", u.Resumed, probeEvery+time.Second)
	}
	u.judge(before, after)
	return nil
}

// looking is how long it may take to see what the workers have long said: when they said it is what counts.
const looking = 15 * time.Second

func (u *outage) await(ctx context.Context, what string, within time.Duration, so func() bool) error {
	return u.h.Await(ctx, what, within, func() (bool, error) { return so(), nil })
}

// said is when the workers said something of the partner, as their log has it.
func (u *outage) said(event string) (at []time.Time) {
	b, err := os.ReadFile(u.h.Logs())
	if err != nil {
		u.violated("%v", err)
	}
	for line := range bytes.Lines(b) {
		var said struct {
			TS          float64 // seconds, of the log; no amount
			Msg, System string
		}
		if json.Unmarshal(line, &said) == nil && said.Msg == event && said.System == system {
			at = append(at, time.UnixMicro(int64(said.TS*1e6)))
		}
	}
	return at
}

// judge compares what was tried at the beginning and at the end.
func (u *outage) judge(before, after map[string]int32) {
	for a, n := range after {
		was, waited := before[a]
		if !waited {
			was = 1 // its first attempt waits in the queue
		}
		if n > was {
			u.Attempted++
			u.violated("%s was tried %d times while the partner was down", a, n-was)
		}
	}
	if u.Waiting == 0 {
		u.violated("nothing waited for the partner: the run proves nothing")
	}
	if spread := u.Calls - u.Probes; spread > len(u.h.Workers) || spread < -len(u.h.Workers) { // a probe of each may be between the two counts
		u.violated("%d calls reached a partner that was down, of which %d were probes", u.Calls, u.Probes)
	}
}

func (u *outage) calls() int {
	_, hurt := u.h.BillingFaults.Counts()
	return hurt
}

func (u *outage) breakers(ctx context.Context) int { return u.sum(ctx, "waybill_breaker_state") }
func (u *outage) probes(ctx context.Context) int   { return u.sum(ctx, "waybill_breaker_probes_total") }

// sum adds a figure about the partner over all workers; one that does not answer counts as none.
func (u *outage) sum(ctx context.Context, metric string) (n int) {
	for _, address := range u.h.Metrics {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+address+"/metrics", nil)
		if err != nil {
			continue
		}
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			continue
		}
		for lines := bufio.NewScanner(resp.Body); lines.Scan(); {
			if value, ok := strings.CutPrefix(lines.Text(), metric+`{target="`+system+`"} `); ok {
				f, _ := strconv.ParseFloat(value, 64) // a figure of Prometheus'
				n += int(f)
			}
		}
		_ = resp.Body.Close()
	}
	return n
}

// attempts are the attempts of each activity that waits for the partner, as Temporal has them.
func (u *outage) attempts(ctx context.Context) map[string]int32 {
	found := map[string]int32{}
	for _, p := range u.s.Plans {
		if p.ID == "" {
			continue
		}
		d, err := u.h.Temporal.DescribeWorkflowExecution(ctx, protocol.ShipmentWorkflowID(p.ID), "")
		var none *serviceerror.NotFound
		if errors.As(err, &none) {
			continue // not released yet
		}
		if err != nil {
			u.violated("describe %s: %v", p.ID, err)
		}
		for _, a := range d.GetPendingActivities() {
			if name := a.GetActivityType().GetName(); name == protocol.RateShipment.Name || name == protocol.CommitDraft.Name {
				found[string(p.ID)+"/"+a.GetActivityId()] = a.GetAttempt()
			}
		}
	}
	return found
}

func (u *outage) print(l *script.Ledger) {
	t := table.NewWriter()
	t.SetOutputMirror(os.Stdout)
	for _, r := range []table.Row{
		{"the billing engine was down for", u.Span}, {"from the first call until its worker stopped calling", u.Opened.Round(time.Millisecond)}, {"calls, in vain, until both workers knew", u.Learned},
		{"calls that reached it from then on", u.Calls}, {"of them probes", u.Probes}, {"activities that waited at the end", u.Waiting},
		{"of them tried again meanwhile", u.Attempted}, {"from its return until every worker called again", u.Resumed.Round(time.Millisecond)},
		{"invoices posted, right to the cent", l.InvoicesPosted}, {"violations", len(u.Violations)},
	} {
		t.AppendRow(r)
	}
	t.Render()
}
