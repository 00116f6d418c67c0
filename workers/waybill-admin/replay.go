package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"waybill/activities/notify"
	"waybill/config"
	"waybill/internal/console"
	"waybill/internal/store"
	"waybill/starters/bridge/connectors"
	"waybill/starters/bridge/connectors/declared"
	"waybill/workers/notifier"
	"waybill/workers/relay"
	"waybill/workflows/freight"
)

// reread is what replay prints for programs.
type reread struct {
	Source    string    `json:"source"`
	Connector string    `json:"connector"`
	From      time.Time `json:"from"`
	To        time.Time `json:"to"`
	DryRun    bool      `json:"dryRun"`
	relay.Outcome
}

// asked is what a replay is asked for.
type asked struct {
	source, from, to string
	version          int
	dead, dry        bool
	retract          bool
	by, reason       string   // with retract
	milestones       []string // with retract; none: all
}

func (a *app) replay() *cobra.Command {
	var q asked
	c := &cobra.Command{
		Use: "replay", Short: "Read stored deliveries of a source again, show what is read otherwise, and file what is new", Args: cobra.NoArgs,
		Long: "Read stored deliveries of a source again, show what is read otherwise, and file what is new.\n\n" +
			"Statements that read as before keep their ids and are not said twice; the worker's relay sends what is new to its shipment. What a shipment was\n" +
			"told stands there beside the new statement, unless --retract takes it back, as its source would: for good, with who and why kept in\n" +
			"waybill-admin inbox list --source " + connectors.ByHand + ". What is billed goes to a person. Begin with --dry-run.",
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := a.load((*config.Config).ForReplay)
			if err != nil {
				return err
			}
			r, err := replayOf(c, q)
			if err != nil {
				return err
			}
			// What is new is told to subscribers, as what the relay files is.
			r.Store, err = openStore(cmd.Context(), c.Store.URL, store.WithSubscribers(notifier.Subscriptions(c.Subscribers), notify.Renderer(c.Tenant)))
			if err != nil {
				return err
			}
			return errors.Join(a.runReplay(cmd.Context(), r), r.Store.Close())
		},
	}
	f := c.Flags()
	f.StringVar(&q.source, "source", "", "whose deliveries")
	f.StringVar(&q.from, "from", "", "those received from then, as 2026-11-24 or 2026-11-24T15:04:05Z")
	f.StringVar(&q.to, "to", "", "and before then; now where it is not said")
	f.IntVar(&q.version, "connector-version", 0, "by this version of the source's connector; the one it is configured with where it is not said")
	f.BoolVar(&q.dead, "dead", false, "only deliveries that could not be read")
	f.BoolVar(&q.dry, "dry-run", false, "show what is read otherwise, and change nothing")
	f.BoolVar(&q.retract, "retract", false, "take back what shipments were told and is no longer read so")
	f.StringVar(&q.by, "by", cmp.Or(os.Getenv("SUDO_USER"), os.Getenv("USER")), "who takes it back, with --retract: kept for auditors")
	f.StringVar(&q.reason, "reason", "", "why, with --retract: kept for auditors")
	f.StringSliceVar(&q.milestones, "milestone", nil, "only statements of this milestone, with --retract; may be given again")
	_ = c.MarkFlagRequired("source") // the flags are there
	_ = c.MarkFlagRequired("from")
	return c
}

// runReplay shows what came of a replay, also of one that broke off.
func (a *app) runReplay(ctx context.Context, r *relay.Replay) error {
	o, err := r.Run(ctx)
	done := reread{r.Source, r.Connector.ID(), r.From, r.To, r.DryRun, o}
	return errors.Join(err, a.Show(done, func() { a.printReplay(done) }))
}

// replayOf prepares a replay, all but its store.
func replayOf(c *config.Config, q asked) (*relay.Replay, error) {
	from, err := moment("from", q.from)
	if err != nil {
		return nil, err
	}
	to, err := moment("to", q.to)
	if err != nil {
		return nil, err
	}
	if !from.Before(to) {
		return nil, console.Usagef("--from %s is not before --to %s", from.Format(time.RFC3339), to.Format(time.RFC3339))
	}
	r := &relay.Replay{Source: q.source, From: from, To: to, DeadOnly: q.dead, DryRun: q.dry, Now: time.Now}
	if r.Retract, err = correctionOf(q); err != nil {
		return nil, err
	}
	r.Connector, err = readerOf(c, q)
	return r, err
}

// correctionOf is what is to be taken back, by whom and why; nil for nothing.
func correctionOf(q asked) (*relay.Correction, error) {
	if !q.retract {
		return nil, nil
	}
	if err := freight.CheckPerson(q.by, q.reason); err != nil && !q.dry {
		return nil, console.Usagef("--retract: %v", err)
	}
	k := &relay.Correction{By: q.by, Reason: q.reason}
	for _, text := range q.milestones {
		m := freight.Milestone(text)
		if !m.Known() {
			return nil, console.Usagef("--milestone %q is no milestone: waybill connector events com.waybill.shipment.milestone.v1 has them", text)
		}
		k.Milestones = append(k.Milestones, m)
	}
	return k, nil
}

// readerOf is the connector of a source, in the version that is asked for.
func readerOf(c *config.Config, q asked) (connectors.Connector, error) {
	if !slices.ContainsFunc(c.Bridge.Sources, func(s config.Source) bool { return s.Name == q.source }) {
		return nil, console.Usagef("--source %q is none of bridge.sources in the configuration: how it is read is not known", q.source)
	}
	named := c.ConnectorNames()
	name, ok := named[q.source]
	if !ok && q.version > 1 {
		return nil, console.Usagef("source %s has no connector: it sends our own events, of which there is version 1", q.source)
	}
	if ok && q.version > 0 {
		plain, _, _ := strings.Cut(name, "@")
		named[q.source] = fmt.Sprintf("%s@%d", plain, q.version)
	}
	catalog, err := declared.OpenCatalog(c.Connectors.Folder, c.Connectors.Tests, time.Now)
	if err != nil {
		return nil, err
	}
	return declared.Sources{Catalog: catalog, Named: named}.Connector(q.source)
}

func (a *app) printReplay(r reread) {
	var rows []console.Row
	for _, c := range r.Changes {
		rows = append(rows, console.Row{c.Delivery, c.DeliveryID, c.Kind, cmp.Or(c.ReadBy, "nobody"), said(c.Was), cmp.Or(said(c.Is), c.Why), c.Shipment, takenBack(c)})
	}
	if len(rows) > 0 {
		a.Table(console.Row{"seq", "id", "difference", "read by", "was", "is by " + r.Connector, "shipment told", "taken back"}, rows)
	}
	a.Print("%d deliveries read again by %s, %d as before, %d differences", r.Read, r.Connector, r.Unchanged, len(r.Changes))
	if r.DryRun {
		if r.TakenBack > 0 {
			a.Print("%d statements would be taken back", r.TakenBack)
		}
		a.Say("nothing was changed: without --dry-run what is new is filed")
		return
	}
	a.Print("%d scans filed for their shipments, %d wait for one, %d statements taken back", r.Filed, r.Unmatched, r.TakenBack)
}

// takenBack says whether what a shipment was told is taken back, and else why not.
func takenBack(c relay.Change) string {
	if c.TakenBack {
		return "yes"
	}
	return c.Stands
}

// said is a statement in one line.
func said(s *relay.Statement) string {
	if s == nil {
		return ""
	}
	text := fmt.Sprintf("%s %s", s.Milestone, s.OccurredAt.Format(time.RFC3339))
	if s.Reason != "" {
		text += " (" + s.Reason + ")"
	}
	return text + " of " + references(s.References)
}
