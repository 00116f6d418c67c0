package main

import (
	"context"
	"time"

	"github.com/spf13/cobra"
	"go.temporal.io/sdk/client"

	"waybill/internal/cluster"
	"waybill/internal/console"
)

func (a *app) temporal() *cobra.Command {
	c := console.Group("temporal", "Make in a Temporal namespace what the stories need, and prove that it is there", a.temporalSetup(), a.temporalCheck())
	c.Long = "Make in a Temporal namespace what the stories need, and prove that it is there.\n\nTemporal is reached by its own settings: TEMPORAL_ADDRESS, TEMPORAL_NAMESPACE or a profile file."
	return c
}

// setupWithin bounds the wait until search attributes can be used: on a large cluster they take a minute.
const setupWithin = 5 * time.Minute

// namespaceReady is what temporal setup did.
type namespaceReady struct {
	Namespace string `json:"namespace"`
	Retention string `json:"retention"`
}

func (a *app) temporalSetup() *cobra.Command {
	var retention time.Duration
	c := &cobra.Command{
		Use: "setup", Short: "Register search attributes and retention, and wait until they can be used", Args: cobra.NoArgs,
		RunE: a.withTemporal(func(ctx context.Context, c client.Client) error {
			if retention < 24*time.Hour {
				return console.Usagef("--retention %s: want 24h or more: closed shipments vanish after it", retention)
			}
			ctx, cancel := context.WithTimeout(ctx, setupWithin)
			defer cancel()
			if err := cluster.Setup(ctx, c, cluster.Namespace(), retention); err != nil {
				return err
			}
			done := namespaceReady{cluster.Namespace(), retention.String()}
			return a.Show(done, func() {
				a.Print("namespace %s has what the stories need; closed shipments are kept for %s", done.Namespace, done.Retention)
			})
		}),
	}
	c.Flags().DurationVar(&retention, "retention", cluster.Retention, "how long closed shipments are kept in Temporal")
	return c
}

func (a *app) temporalCheck() *cobra.Command {
	return &cobra.Command{
		Use: "check", Short: "Name what the namespace lacks, and what to do", Args: cobra.NoArgs,
		RunE: a.withTemporal(func(ctx context.Context, c client.Client) error {
			return a.Judge(cluster.Check(ctx, c, cluster.Namespace()))
		}),
	}
}

func (a *app) withTemporal(f func(context.Context, client.Client) error) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, _ []string) error {
		c, err := cluster.Dial(cmd.Context(), cluster.Options{Logger: cluster.Silent{}})
		if err != nil {
			return err
		}
		defer c.Close()
		return f(cmd.Context(), c)
	}
}
