package main

import (
	"context"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"waybill/config"
	"waybill/internal/console"
	"waybill/internal/store"
	"waybill/workers/notifier"
)

func (a *app) subscribers() *cobra.Command {
	return console.Group("subscribers", "See how it goes with the systems that are told of events", a.subscribersList(), a.subscribersReplay(), a.subscribersEnable())
}

func (a *app) subscribersList() *cobra.Command {
	return &cobra.Command{
		Use: "list", Short: "List the subscribers: what waits for each, since when it takes nothing, and why", Args: cobra.NoArgs,
		RunE: a.withStore(func(ctx context.Context, s *store.Store, _ []string) error {
			c, err := a.load((*config.Config).ForSubscribers)
			if err != nil {
				return err
			}
			states, rows := []store.SubscriberState{}, []console.Row{}
			for _, sub := range c.Subscribers {
				st, err := s.SubscriberState(ctx, sub.Name)
				if err != nil {
					return err
				}
				states = append(states, st)
				rows = append(rows, console.Row{st.Name, stateOf(st, time.Now()), st.Counts["waiting"], since(st.Oldest), st.Counts["sent"], st.Counts["dropped"], st.Reason})
			}
			return a.Show(states, func() {
				a.Table(console.Row{"name", "state", "waiting", "oldest (UTC)", "sent", "dropped", "last refusal"}, rows)
			})
		}),
	}
}

func stateOf(st store.SubscriberState, now time.Time) string {
	switch {
	case !st.Disabled.IsZero():
		return "disabled since " + since(st.Disabled) + ": mend it, then waybill-admin subscribers enable " + st.Name
	case !st.Failing.IsZero():
		return "failing since " + since(st.Failing)
	case st.Paused.After(now):
		return "paused until " + since(st.Paused)
	}
	return "live"
}

func since(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.DateTime)
}

// subscription is the one of a name, as it is configured.
func subscription(c *config.Config, name string) (store.Subscription, error) {
	i := slices.IndexFunc(c.Subscribers, func(s config.Subscriber) bool { return s.Name == name })
	if i < 0 {
		return store.Subscription{}, console.Usagef("there is no subscriber %q in the configuration: see waybill-admin subscribers list", name)
	}
	return notifier.Subscriptions(c.Subscribers[i : i+1])[0], nil
}

// replayed says how many events are on their way again.
type replayed struct {
	Subscriber string `json:"subscriber"`
	Events     int64  `json:"events"`
}

func (a *app) subscribersReplay() *cobra.Command {
	var from, until string
	c := &cobra.Command{
		Use: "replay NAME", Short: "Send a subscriber its events of a time again, under their old ids", Args: cobra.ExactArgs(1),
		RunE: a.withSubscription(func(ctx context.Context, s *store.Store, n store.Subscription) error {
			begin, err := moment("from", from)
			if err != nil {
				return err
			}
			end, err := moment("to", until)
			if err != nil {
				return err
			}
			count, err := s.Replay(ctx, n, begin, end)
			if err != nil {
				return err
			}
			return a.Show(replayed{n.Name, count}, func() { a.Print("%d events are on their way to %s again", count, n.Name) })
		}),
	}
	c.Flags().StringVar(&from, "from", "", "when the first of them became known, such as 2026-11-24T08:00:00Z")
	c.Flags().StringVar(&until, "to", "", "before when; now where it is not given")
	_ = c.MarkFlagRequired("from") // the flag is there
	return c
}

// moment reads a time as people write it: a day begins at midnight, UTC, and nothing is now.
func moment(flag, text string) (time.Time, error) {
	if text == "" {
		return time.Now(), nil
	}
	for _, layout := range []string{time.RFC3339, time.DateOnly} {
		if t, err := time.Parse(layout, text); err == nil {
			return t, nil
		}
	}
	return time.Time{}, console.Usagef("--%s %q: write a time such as 2026-11-24T08:00:00Z, or a day", flag, text)
}

func (a *app) subscribersEnable() *cobra.Command {
	return &cobra.Command{
		Use: "enable NAME", Short: "Let a subscriber be told again, from the first event that waits for it", Args: cobra.ExactArgs(1),
		RunE: a.withSubscription(func(ctx context.Context, s *store.Store, n store.Subscription) error {
			if err := s.Enable(ctx, n.Name); err != nil {
				return err
			}
			st, err := s.SubscriberState(ctx, n.Name)
			if err != nil {
				return err
			}
			return a.Show(st, func() { a.Print("%s is told again, of %d events that waited", n.Name, st.Counts["waiting"]) })
		}),
	}
}

// withSubscription opens the store for a command about one subscriber.
func (a *app) withSubscription(f func(context.Context, *store.Store, store.Subscription) error) func(*cobra.Command, []string) error {
	return a.withStore(func(ctx context.Context, s *store.Store, args []string) error {
		c, err := a.load((*config.Config).ForSubscribers)
		if err != nil {
			return err
		}
		n, err := subscription(c, args[0])
		if err != nil {
			return err
		}
		return f(ctx, s, n)
	})
}
