package main

import (
	"cmp"
	"context"
	"encoding/base64"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"waybill/config"
	"waybill/internal/console"
	"waybill/internal/store"
	"waybill/workflows/freight"
)

func (a *app) inbox() *cobra.Command {
	return console.Group("inbox", "See what partners sent, and what became of it", a.inboxList(), a.inboxShow())
}

func (a *app) inboxList() *cobra.Command {
	var state store.DeliveryState
	var source string
	var limit int
	c := &cobra.Command{
		Use: "list", Short: "List deliveries, the newest first", Args: cobra.NoArgs,
		RunE: a.withStore(func(ctx context.Context, s *store.Store, _ []string) error {
			switch state {
			case unmatched:
				return a.listStrays(ctx, s.Unmatched, source, limit)
			case late:
				return a.listStrays(ctx, s.LateScans, source, limit)
			case discarded:
				return a.listStrays(ctx, s.Discarded, source, limit)
			case unexpected:
				return a.listUnexpected(ctx, s, source, limit)
			}
			return a.listDeliveries(ctx, s, state, source, limit)
		}),
	}
	console.Choice(c, &state, "state", "only in this state; unmatched, late and discarded are what deliveries said and no shipment took, unexpected what may not be what was meant", []store.DeliveryState{store.Pending, store.Done, store.Dead, unmatched, late, discarded, unexpected})
	console.Limit(c, &limit, 100)
	c.Flags().StringVar(&source, "source", "", "only from this source")
	return c
}

// Beside the states of deliveries, those of the scans in them that no shipment took, or that may not be what was meant.
const (
	unmatched  store.DeliveryState = "unmatched"
	late       store.DeliveryState = "late"
	discarded  store.DeliveryState = "discarded"
	unexpected store.DeliveryState = "unexpected"
)

// doubtful is a scan that may not be what its sender meant.
type doubtful struct {
	Delivery   int64               `json:"delivery"`
	Source     string              `json:"source"`
	Connector  string              `json:"connector"`
	Milestone  freight.Milestone   `json:"milestone"`
	RawCode    string              `json:"rawCode,omitzero"`
	References []freight.Reference `json:"references"`
	Shipment   freight.ShipmentID  `json:"shipment,omitzero"`
	Why        string              `json:"why"`
}

func (a *app) listUnexpected(ctx context.Context, s *store.Store, source string, limit int) error {
	fs, err := s.Unexpected(ctx, source, limit)
	if err != nil {
		return err
	}
	list, rows := make([]doubtful, len(fs)), make([]console.Row, len(fs))
	for i, f := range fs {
		list[i] = doubtful{f.Delivery, f.Scan.Source, f.Connector, f.Scan.Milestone, f.Scan.RawCode, f.References, f.Shipment, f.Surprise}
		rows[i] = console.Row{f.Delivery, f.Scan.Source, f.Connector, f.Scan.Milestone, f.Scan.RawCode, references(f.References), f.Shipment, f.Surprise}
	}
	return a.Show(list, func() {
		a.Table(console.Row{"seq", "source", "read by", "milestone", "code", "references", "shipment", "why"}, rows)
		a.Say("a mapping that knows better reads them again: waybill-admin replay")
	})
}

// straysRead bounds what is read to find one source's or one delivery's strays among all.
const straysRead = 10_000

func (a *app) listStrays(ctx context.Context, read func(context.Context, int) ([]store.Stray, error), source string, limit int) error {
	strays, err := read(ctx, straysRead)
	if err != nil {
		return err
	}
	strays = slices.DeleteFunc(strays, func(s store.Stray) bool { return source != "" && s.Source != source })
	if len(strays) > limit {
		a.Say("there are %d, of which these are the oldest: narrow it down, or raise --limit", len(strays))
		strays = strays[:limit]
	}
	rows := make([]console.Row, len(strays))
	for i, s := range strays {
		rows[i] = console.Row{s.Delivery, s.Source, s.DeliveryID, s.Milestone, references(s.References), s.Age.Round(time.Second), cmp.Or(string(s.Shipment), s.Reason)}
	}
	return a.Show(append([]store.Stray{}, strays...), func() {
		a.Table(console.Row{"seq", "source", "id", "milestone", "references", "waits since", "shipment or why"}, rows)
		a.Say("unmatched ones wait until one of their references is registered, or a person says whose it is: waybill exception assign or discard; waybill-admin inbox show SEQ has the whole message")
	})
}

func references(rs []freight.Reference) string {
	var texts []string
	for _, r := range rs {
		texts = append(texts, fmt.Sprintf("%s %s", r.Kind, r.Value))
	}
	return strings.Join(texts, ", ")
}

// listed is a delivery as a list has it: without its body.
type listed struct {
	Seq        int64               `json:"seq"`
	Source     string              `json:"source"`
	ID         string              `json:"id"`
	ReceivedAt time.Time           `json:"receivedAt"`
	State      store.DeliveryState `json:"state"`
	Bytes      int                 `json:"bytes"`
	Reason     string              `json:"reason,omitzero"`
}

func (a *app) listDeliveries(ctx context.Context, s *store.Store, state store.DeliveryState, source string, limit int) error {
	ds, err := s.Deliveries(ctx, state, source, limit)
	if err != nil {
		return err
	}
	list := make([]listed, len(ds))
	rows := make([]console.Row, len(ds))
	for i, d := range ds {
		list[i] = listed{d.Seq, d.Source, d.ID, d.ReceivedAt, d.State, len(d.Body), d.Reason}
		rows[i] = console.Row{d.Seq, d.Source, d.ID, d.ReceivedAt.Format(time.DateTime), d.State, len(d.Body), d.Reason}
	}
	err = a.Show(list, func() {
		a.Table(console.Row{"seq", "source", "id", "received (UTC)", "state", "bytes", "reason"}, rows)
	})
	if len(ds) == limit {
		a.Say("there may be more than %d: narrow it down, or raise --limit", limit)
	}
	return err
}

func (a *app) inboxShow() *cobra.Command {
	return &cobra.Command{
		Use: "show SEQ", Short: "Show a delivery exactly as it was received, and what to do about it", Args: cobra.ExactArgs(1),
		RunE: a.withStore(func(ctx context.Context, s *store.Store, args []string) error {
			seq, err := strconv.ParseInt(args[0], 10, 64)
			if err != nil {
				return console.Usagef("%q is no delivery's number: see waybill-admin inbox list", args[0])
			}
			d, err := s.Delivery(ctx, seq)
			if err != nil {
				return err
			}
			waiting, err := s.Unmatched(ctx, straysRead)
			if err != nil {
				return err
			}
			waiting = slices.DeleteFunc(waiting, func(s store.Stray) bool { return s.Delivery != seq })
			shown := a.shownOf(d, waiting)
			return a.Show(shown, func() { a.printDelivery(shown) })
		}),
	}
}

// shown is a delivery with its body: as text where it is one, else as base64.
type shown struct {
	listed
	VerifiedBy string            `json:"verifiedBy"`
	Connector  string            `json:"connector,omitzero"` // that read it, or could not
	Headers    map[string]string `json:"headers"`
	Body       string            `json:"body,omitzero"`
	BodyBase64 string            `json:"bodyBase64,omitzero"`
	Next       string            `json:"next"` // what to do
}

func (a *app) shownOf(d store.Delivery, waiting []store.Stray) shown {
	s := shown{listed: listed{d.Seq, d.Source, d.ID, d.ReceivedAt, d.State, len(d.Body), d.Reason}, VerifiedBy: d.VerifiedBy, Connector: d.Connector, Headers: d.Headers, Next: a.next(d, waiting)}
	if utf8.Valid(d.Body) {
		s.Body = string(d.Body)
	} else {
		s.BodyBase64 = base64.StdEncoding.EncodeToString(d.Body)
	}
	return s
}

// next says what to do about a delivery, some of whose scans may wait for their shipment.
func (a *app) next(d store.Delivery, waiting []store.Stray) string {
	switch {
	case len(waiting) > 0:
		w := waiting[0]
		return fmt.Sprintf("%d of what it says waits for a shipment, such as %s of %s: %s. It is taken by itself once a shipment has one of these references; if none will, tell %s", len(waiting), w.Milestone, references(w.References), w.Reason, a.owner(d.Source))
	case d.State == store.Pending:
		return "the relay reads it within seconds; if it stays, see that waybill-worker runs, and in its log for relay_failed"
	case d.State == store.Dead && d.Connector != "":
		return fmt.Sprintf("%s could not read it: %s. Tell %s; once a version can, waybill-admin replay --dead --source %s --from %s reads it again", d.Connector, d.Reason, a.owner(d.Source), d.Source, d.ReceivedAt.Format(time.DateOnly))
	case d.State == store.Dead:
		return fmt.Sprintf("it was authentic and could not be used: %s. Tell %s; sent again, it needs another id, since this one is taken", d.Reason, a.owner(d.Source))
	}
	return "nothing: it was read, and what it says is with its shipment"
}

// owner is who answers for a source, as far as the configuration says.
func (a *app) owner(source string) string {
	c, err := config.Load(a.file)
	if err != nil {
		return "the owner of source " + source
	}
	owner, contact := c.SourceOwner(source)
	if owner == "" {
		return "the owner of source " + source
	}
	return fmt.Sprintf("the owner of source %s: %s, %s", source, owner, cmp.Or(contact, "no contact configured"))
}

func (a *app) printDelivery(s shown) {
	a.Print("delivery %d from %s, id %s, received %s, verified by %s", s.Seq, s.Source, s.ID, s.ReceivedAt.Format(time.RFC3339), cmp.Or(s.VerifiedBy, "nobody"))
	a.Print("state %s%s", s.State, because(s.Reason))
	if s.Connector != "" {
		a.Print("read by %s", s.Connector)
	}
	a.Print("next: %s", s.Next)
	for _, h := range slices.Sorted(maps.Keys(s.Headers)) {
		a.Print("%s: %s", h, s.Headers[h])
	}
	a.Print("")
	if s.BodyBase64 != "" {
		a.Print("(%d bytes, not text, in base64)\n%s", s.Bytes, s.BodyBase64)
		return
	}
	a.Print("%s", s.Body)
}

func because(reason string) string {
	if reason == "" {
		return ""
	}
	return ": " + reason
}
