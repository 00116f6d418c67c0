package main

import (
	"cmp"
	"context"
	"encoding/base64"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"waybill/config"
	"waybill/internal/console"
	"waybill/internal/store"
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
			return a.listDeliveries(ctx, s, state, source, limit)
		}),
	}
	console.Choice(c, &state, "state", "only in this state", []store.DeliveryState{store.Pending, store.Done, store.Dead})
	console.Limit(c, &limit, 100)
	c.Flags().StringVar(&source, "source", "", "only from this source")
	return c
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
			shown := a.shownOf(d)
			return a.Show(shown, func() { a.printDelivery(shown) })
		}),
	}
}

// shown is a delivery with its body: as text where it is one, else as base64.
type shown struct {
	listed
	VerifiedBy string            `json:"verifiedBy"`
	Headers    map[string]string `json:"headers"`
	Body       string            `json:"body,omitzero"`
	BodyBase64 string            `json:"bodyBase64,omitzero"`
	Next       string            `json:"next"` // what to do
}

func (a *app) shownOf(d store.Delivery) shown {
	s := shown{listed: listed{d.Seq, d.Source, d.ID, d.ReceivedAt, d.State, len(d.Body), d.Reason}, VerifiedBy: d.VerifiedBy, Headers: d.Headers, Next: a.next(d)}
	if utf8.Valid(d.Body) {
		s.Body = string(d.Body)
	} else {
		s.BodyBase64 = base64.StdEncoding.EncodeToString(d.Body)
	}
	return s
}

// next says what to do about a delivery.
func (a *app) next(d store.Delivery) string {
	switch d.State {
	case store.Pending:
		return "the relay reads it within seconds; if it stays, see that waybill-worker runs, and in its log for relay_failed"
	case store.Dead:
		return fmt.Sprintf("it was authentic and could not be used: %s. Tell %s; sent again, it needs another id, since this one is taken", d.Reason, a.owner(d.Source))
	}
	return "nothing: it was read, and what it says is with its shipment or waits for one"
}

// owner is who answers for a source, as far as the configuration says.
func (a *app) owner(source string) string {
	c, err := config.Load(a.file)
	if err != nil {
		return "the owner of source " + source
	}
	i := slices.IndexFunc(c.Bridge.Sources, func(s config.Source) bool { return s.Name == source })
	if i < 0 {
		return "the owner of source " + source
	}
	return fmt.Sprintf("the owner of source %s: %s, %s", source, c.Bridge.Sources[i].Owner, cmp.Or(c.Bridge.Sources[i].Contact, "no contact configured"))
}

func (a *app) printDelivery(s shown) {
	a.Print("delivery %d from %s, id %s, received %s, verified by %s", s.Seq, s.Source, s.ID, s.ReceivedAt.Format(time.RFC3339), cmp.Or(s.VerifiedBy, "nobody"))
	a.Print("state %s%s", s.State, because(s.Reason))
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
