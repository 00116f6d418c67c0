// Package console is what Waybill's commands have in common: results on standard output, words for people on
// standard error, JSON for programs, and exit codes a script can rely on.
package console

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"waybill/workflows/freight"
)

// The exit codes.
const (
	Done    = 0
	Failed  = 1 // it was tried and failed, or was refused
	Misused = 2 // it was called wrongly; nothing was tried
)

// Console is where one run of a command reads and speaks. The zero value is of no use.
type Console struct {
	In         io.Reader
	Out, Words io.Writer
	JSON       bool // print JSON for programs
}

// Main runs a command as this process: on its streams, with its arguments, until it ends or the process is told
// to stop by SIGINT or SIGTERM. It returns the exit code.
func Main(command func(*Console) *cobra.Command) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	c := &Console{In: os.Stdin, Out: os.Stdout, Words: os.Stderr}
	return c.Run(ctx, command(c), os.Args[1:])
}

// Run runs a command and returns its exit code. Whatever is wrong before the command itself has begun is misuse:
// an unknown command or flag, a missing one, a wrong number of arguments.
func (c *Console) Run(ctx context.Context, root *cobra.Command, args []string) int {
	root.SilenceUsage, root.SilenceErrors = true, true
	root.SetArgs(args)
	root.SetIn(c.In)
	root.SetOut(c.Out)
	root.SetErr(c.Words)
	begun := false
	whenBegun(root, func() { begun = true })
	ran, err := root.ExecuteContextC(ctx)
	var usage usageError
	switch {
	case err == nil:
		return Done
	case !begun || errors.As(err, &usage):
		fmt.Fprintf(c.Words, "%s: %v; see %s --help\n", root.Name(), err, ran.CommandPath())
		return Misused
	}
	fmt.Fprintf(c.Words, "%s: %v\n", root.Name(), err)
	return Failed
}

// whenBegun lets f know that a command's own work begins.
func whenBegun(c *cobra.Command, f func()) {
	if work := c.RunE; work != nil {
		c.RunE = func(c *cobra.Command, args []string) error {
			f()
			return work(c, args)
		}
	}
	for _, sub := range c.Commands() {
		whenBegun(sub, f)
	}
}

// usageError is a mistake in how the command was called.
type usageError struct{ error }

func (e usageError) Unwrap() error { return e.error }

// Usage marks an error as a mistake in how the command was called.
func Usage(err error) error { return usageError{err} }

// Usagef is Usage of a formatted error.
func Usagef(format string, args ...any) error { return usageError{fmt.Errorf(format, args...)} }

// Group is a command that only has others under it. Called without one of them it shows them, and is misused.
func Group(use, short string, subs ...*cobra.Command) *cobra.Command {
	c := &cobra.Command{
		Use: use, Short: short, Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			c.SetOut(c.ErrOrStderr())
			if err := c.Help(); err != nil {
				return err
			}
			return Usagef("say which")
		},
	}
	c.AddCommand(subs...)
	return c
}

// Choice adds a flag with few values: the shell completes them, and any other is misuse. A list filtered by a typo
// would be empty, and look like good news.
func Choice[T ~string](c *cobra.Command, into *T, flag, usage string, values []T) {
	words := make([]string, len(values))
	for i, v := range values {
		words[i] = string(v)
	}
	c.Flags().Var(&checked{Value: &word[T]{into}, check: func(s string) error {
		if slices.Contains(words, s) {
			return nil
		}
		return fmt.Errorf("want one of %s", strings.Join(words, ", "))
	}}, flag, usage+": "+strings.Join(words, ", "))
	_ = c.RegisterFlagCompletionFunc(flag, cobra.FixedCompletions(words, cobra.ShellCompDirectiveNoFileComp)) // the flag is there
}

// Limit adds --limit, how many a list may have, from 1.
func Limit(c *cobra.Command, into *int, otherwise int) {
	c.Flags().IntVar(into, "limit", otherwise, "at most so many")
	f := c.Flags().Lookup("limit")
	f.Value = &checked{Value: f.Value, check: func(s string) error {
		if n, err := strconv.Atoi(s); err != nil || n < 1 {
			return errors.New("want a number from 1")
		}
		return nil
	}}
}

// checked is a flag that takes only what passes its check.
type checked struct {
	pflag.Value
	check func(string) error
}

// Set implements pflag.Value.
func (c *checked) Set(s string) error {
	if err := c.check(s); err != nil {
		return err
	}
	return c.Value.Set(s)
}

// word is a flag with one word.
type word[T ~string] struct{ into *T }

// Set implements pflag.Value.
func (w *word[T]) Set(s string) error { *w.into = T(s); return nil }

// String implements pflag.Value.
func (w *word[T]) String() string { return string(*w.into) }

// Type implements pflag.Value.
func (w *word[T]) Type() string { return "word" }

// Shipment reads a shipment's id as people have it: acme-1042, or shipment/acme-1042 as the Temporal UI shows it.
func Shipment(text string) (freight.ShipmentID, error) {
	id := freight.ShipmentID(strings.TrimPrefix(text, "shipment/"))
	if !id.Valid() {
		return "", Usagef("%q is no shipment id such as acme-1042", text)
	}
	return id, nil
}

// JSONFlag adds --json for the command and all under it.
func (c *Console) JSONFlag(cmd *cobra.Command) {
	cmd.PersistentFlags().BoolVar(&c.JSON, "json", false, "print JSON for programs")
}

// Show prints a result: as JSON for programs, else as people prints it.
func (c *Console) Show(v any, people func()) error {
	if !c.JSON {
		people()
		return nil
	}
	e := json.NewEncoder(c.Out)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	return e.Encode(v)
}

// Verdict is what a check found.
type Verdict struct {
	OK      bool     `json:"ok"`
	Missing []string `json:"missing"` // each with what to do
}

// Judge prints what a check found missing. Anything is a failure.
func (c *Console) Judge(missing []string) error {
	v := Verdict{OK: len(missing) == 0, Missing: append([]string{}, missing...)} // a program reads a list
	err := c.Show(v, func() {
		for _, m := range missing {
			c.Print("missing: %s", m)
		}
		if v.OK {
			c.Print("everything is in place")
		}
	})
	if !v.OK {
		err = errors.Join(err, fmt.Errorf("%d missing", len(missing)))
	}
	return err
}

// Row is one line of a table.
type Row = table.Row

// Table prints rows under a header.
func (c *Console) Table(header Row, rows []Row) {
	t := table.NewWriter()
	t.SetOutputMirror(c.Out)
	t.SetStyle(table.StyleLight)
	t.Style().Format.Header = text.FormatDefault
	t.AppendHeader(header)
	t.AppendRows(rows)
	t.Render()
}

// Say prints a line of words for people.
func (c *Console) Say(format string, args ...any) { fmt.Fprintf(c.Words, format+"\n", args...) }

// Print prints a line of the result.
func (c *Console) Print(format string, args ...any) { fmt.Fprintf(c.Out, format+"\n", args...) }
