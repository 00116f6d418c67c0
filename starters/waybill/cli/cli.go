// Package cli is the waybill command: lists, states, decisions and resolutions. Results go to standard output,
// words to standard error; the exit code is 0 for done, 1 for failed or refused, 2 for usage.
package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"os/user"
	"syscall"
	"time"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"
	"github.com/spf13/cobra"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/log"

	"waybill/internal/cluster"
	"waybill/starters/bridge/connectors/connectorcli"
)

// app is one run of the command.
type app struct {
	out, words io.Writer
	json       bool
	ui         string
	wait       time.Duration
	codec      string
	dial       func(context.Context) (client.Client, error)
	now        func() time.Time
}

// usageError is a mistake in how the command was called.
type usageError struct{ error }

// Main runs the command and returns its exit code.
func Main(args []string, _ io.Reader, out, words io.Writer) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	a := &app{out: out, words: words, now: time.Now}
	a.dial = func(ctx context.Context) (client.Client, error) {
		return cluster.Dial(ctx, cluster.Options{Logger: silent{}, CodecKeyFile: a.codec})
	}
	return a.main(ctx, args)
}

func (a *app) main(ctx context.Context, args []string) int {
	c := a.command()
	c.SetArgs(args)
	c.SetOut(a.out)
	c.SetErr(a.words)
	err := c.ExecuteContext(ctx)
	var usage usageError
	switch {
	case err == nil:
		return 0
	case errors.As(err, &usage):
		fmt.Fprintf(a.words, "waybill: %v; see waybill --help\n", err)
		return 2
	}
	fmt.Fprintln(a.words, "waybill:", err)
	return 1
}

func (a *app) command() *cobra.Command {
	c := &cobra.Command{
		Use: "waybill", Short: "See shipments, decide disputes, resolve exceptions",
		Long:         "See shipments, decide disputes, resolve exceptions.\n\nTemporal is reached by its own settings: TEMPORAL_ADDRESS, TEMPORAL_NAMESPACE or a profile file.",
		SilenceUsage: true, SilenceErrors: true,
	}
	c.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return usageError{err} })
	f := c.PersistentFlags()
	f.BoolVar(&a.json, "json", false, "print JSON for programs")
	f.StringVar(&a.ui, "ui", envOr("WAYBILL_UI_URL", "http://localhost:8233"), "address of the Temporal UI, for links")
	f.DurationVar(&a.wait, "wait", 30*time.Second, "how long to wait for an answer")
	f.StringVar(&a.codec, "codec-keys", os.Getenv("WAYBILL_CODEC_KEY_FILE"), "key ring, where payloads are encrypted")
	c.AddCommand(a.list(), a.status(), a.release(), a.cancel(), a.dispute(), a.exception(), a.approver())
	c.AddCommand(connectorcli.Command(time.Now))
	return c
}

func envOr(name, otherwise string) string {
	if v := os.Getenv(name); v != "" {
		return v
	}
	return otherwise
}

// exactly makes a wrong number of arguments a usage error.
func exactly(n int) cobra.PositionalArgs {
	return func(c *cobra.Command, args []string) error {
		if err := cobra.ExactArgs(n)(c, args); err != nil {
			return usageError{err}
		}
		return nil
	}
}

// with connects to Temporal for one command.
func (a *app) with(f func(ctx context.Context, c client.Client, args []string) error) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, args []string) error {
		c, err := a.dial(cmd.Context())
		if err != nil {
			return err
		}
		defer c.Close()
		return f(cmd.Context(), c, args)
	}
}

// show prints a value: as JSON for programs, else as people prints it.
func (a *app) show(v any, people func()) error {
	if !a.json {
		people()
		return nil
	}
	e := json.NewEncoder(a.out)
	e.SetIndent("", "  ")
	return e.Encode(v)
}

// table prints rows under a header.
func (a *app) table(header table.Row, rows []table.Row) {
	t := table.NewWriter()
	t.SetOutputMirror(a.out)
	t.SetStyle(table.StyleLight)
	t.Style().Format.Header = text.FormatDefault
	t.AppendHeader(header)
	t.AppendRows(rows)
	t.Render()
}

// link is a workflow's page in the Temporal UI.
func (a *app) link(workflowID string) string {
	return a.ui + "/namespaces/" + cluster.Namespace() + "/workflows/" + escape(workflowID)
}

func escape(id string) string {
	out := ""
	for _, r := range id {
		if r == '/' {
			out += "%2F"
		} else {
			out += string(r)
		}
	}
	return out
}

// person is who calls, as the machine knows them: the default author of what they do.
func person() string {
	if u, err := user.Current(); err == nil {
		return u.Username
	}
	return ""
}

// poll asks again until the answer is there or the time is over.
func (a *app) poll(ctx context.Context, ask func(context.Context) (bool, error)) (bool, error) {
	ctx, cancel := context.WithTimeout(ctx, a.wait)
	defer cancel()
	for {
		done, err := ask(ctx)
		if done || err != nil && ctx.Err() == nil {
			return done, err
		}
		select {
		case <-ctx.Done():
			return false, nil
		case <-time.After(200 * time.Millisecond):
		}
	}
}

// silent keeps the Temporal client's log out of the words for people.
type silent struct{}

var _ log.Logger = silent{}

func (silent) Debug(string, ...any) {}
func (silent) Info(string, ...any)  {}
func (silent) Warn(string, ...any)  {}
func (silent) Error(string, ...any) {}
