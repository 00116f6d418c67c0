// Package cli is the waybill command: lists, states, decisions and resolutions.
package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/user"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/client"

	"waybill/internal/cluster"
	"waybill/internal/console"
	"waybill/starters/bridge/connectors/connectorcli"
	"waybill/workflows/protocol"
)

// app is one run of the command.
type app struct {
	*console.Console
	ui    string
	wait  time.Duration
	codec string
}

// Command makes the waybill command, on a console.
func Command(on *console.Console) *cobra.Command {
	a := &app{Console: on}
	c := console.Group("waybill", "See shipments, decide disputes, resolve exceptions",
		a.list(), a.status(), a.release(), a.cancel(), a.dispute(), a.exception(), a.approver(), connectorcli.Command(on, time.Now), a.validate())
	c.Long = "See shipments, decide disputes, resolve exceptions.\n\nTemporal is reached by its own settings: TEMPORAL_ADDRESS, TEMPORAL_NAMESPACE or a profile file."
	a.JSONFlag(c)
	f := c.PersistentFlags()
	f.StringVar(&a.ui, "ui", cmp.Or(os.Getenv("WAYBILL_UI_URL"), "http://localhost:8233"), "address of the Temporal UI, for links")
	f.DurationVar(&a.wait, "wait", 30*time.Second, "how long to wait for an answer")
	f.StringVar(&a.codec, "codec-keys", os.Getenv("WAYBILL_CODEC_KEY_FILE"), "key ring, where payloads are encrypted")
	return c
}

// with connects to Temporal for one command.
func (a *app) with(f func(ctx context.Context, c client.Client, args []string) error) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, args []string) error {
		c, err := cluster.Dial(cmd.Context(), cluster.Options{Logger: cluster.Silent{}, CodecKeyFile: a.codec})
		if err != nil {
			return err
		}
		defer c.Close()
		return f(cmd.Context(), c, args)
	}
}

// link is a workflow's page in the Temporal UI.
func (a *app) link(workflowID string) string {
	return strings.TrimSuffix(a.ui, "/") + "/namespaces/" + url.PathEscape(cluster.Namespace()) + "/workflows/" + url.PathEscape(workflowID)
}

// person is who calls, as the machine knows them: the default author of what they do.
func person() string {
	if u, err := user.Current(); err == nil {
		return u.Username
	}
	return ""
}

// authored adds --by to a command whose author is kept for auditors.
func authored(c *cobra.Command, by *string) {
	c.Flags().StringVar(by, "by", person(), "who asks: kept for auditors")
}

// reasoned adds --reason to a command whose reason is kept for auditors.
func reasoned(c *cobra.Command, reason *string) {
	c.Flags().StringVar(reason, "reason", "", "why: kept for auditors")
	_ = c.MarkFlagRequired("reason") // the flag is there
}

// ask asks a workflow for its state, and says what to do where there is none or nobody answers.
func ask[Out any](ctx context.Context, a *app, c client.Client, q protocol.Query[Out], workflowID string) (out Out, err error) {
	if !served(ctx, c) {
		return out, a.advise(protocol.ErrNoWorker, workflowID)
	}
	ctx, cancel := context.WithTimeout(ctx, a.wait)
	defer cancel()
	out, err = q.Ask(ctx, c, workflowID)
	return out, a.advise(err, workflowID)
}

// served reports whether a worker has asked for the stories' work in the last minutes, on any of the queue's
// partitions; where Temporal does not say, one is assumed. Without one a question would wait until its time is over.
func served(ctx context.Context, c client.Client) bool {
	d, err := c.DescribeTaskQueueEnhanced(ctx, client.DescribeTaskQueueEnhancedOptions{
		TaskQueue: protocol.QueueStories, TaskQueueTypes: []client.TaskQueueType{client.TaskQueueTypeWorkflow},
		Versions: &client.TaskQueueVersionSelection{Unversioned: true, AllActive: true}, ReportPollers: true,
	})
	for _, v := range d.VersionsInfo {
		if len(v.TypesInfo[client.TaskQueueTypeWorkflow].Pollers) > 0 {
			return true
		}
	}
	return err != nil || len(d.VersionsInfo) == 0
}

// advise adds what to do to the errors that a person can do something about.
func (a *app) advise(err error, workflowID string) error {
	var missing *serviceerror.NotFound
	kind, id, _ := strings.Cut(workflowID, "/")
	list := map[string]string{"shipment": "waybill list --all", "dispute": "waybill dispute list --all", "unmatched": "waybill exception list --kind unmatched"}[kind]
	switch {
	case err == nil:
		return nil
	case errors.As(err, &missing):
		return fmt.Errorf("there is no %s %s open in namespace %s: see %s", kind, id, cluster.Namespace(), list)
	case silence(err):
		return fmt.Errorf("%w for %s %s: start waybill-worker, or see in its log why it does not; %s", protocol.ErrNoWorker, kind, id, a.link(workflowID))
	}
	return err
}

// silence reports whether an error means that no worker answered in the time it had.
func silence(err error) bool {
	var late *serviceerror.DeadlineExceeded
	var idle *serviceerror.FailedPrecondition // Temporal has not seen a worker on the queue for minutes
	return errors.Is(err, protocol.ErrNoWorker) || errors.Is(err, context.DeadlineExceeded) || errors.As(err, &late) || errors.As(err, &idle)
}

// poll asks again until the answer is there, the time is over, or nobody answers.
func (a *app) poll(ctx context.Context, ask func(context.Context) (bool, error)) (bool, error) {
	ctx, cancel := context.WithTimeout(ctx, a.wait)
	defer cancel()
	for {
		done, err := ask(ctx)
		switch {
		case silence(err):
			return false, nil
		case done || err != nil && ctx.Err() == nil:
			return done, err
		}
		select {
		case <-ctx.Done():
			return false, nil
		case <-time.After(200 * time.Millisecond):
		}
	}
}
