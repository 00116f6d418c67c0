package connectorcli

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"waybill/internal/store"
	"waybill/starters/bridge/connectors"
	"waybill/starters/bridge/connectors/declared"
)

func (a *app) run() *cobra.Command {
	var dir, as string
	var explain, tests bool
	c := &cobra.Command{
		Use: "run CONNECTOR FILE...", Short: "Print the canonical events that a connector makes of payloads, one a line", Args: cobra.MinimumNArgs(2),
		Long: "Print the canonical events that a connector makes of payloads, one a line.\n\n" +
			"CONNECTOR is a name, or name@version. A FILE of - is standard input. What is not as expected - a refusal, a code without\n" +
			"a meaning, a time that cannot be - is told on standard error with its place, and the exit code is 1.",
		RunE: func(_ *cobra.Command, args []string) error {
			x, err := find(args[0], dir, tests)
			if err != nil {
				return err
			}
			if as == "" {
				as = args[0]
			}
			surprises := 0
			for _, file := range args[1:] {
				n, err := a.runFile(x, file, as, explain)
				if err != nil {
					return err
				}
				surprises += n
			}
			if surprises > 0 {
				return fmt.Errorf("not as expected: %d", surprises)
			}
			return nil
		},
	}
	dirFlag(c, &dir)
	c.Flags().StringVar(&as, "source", "", "name of the source the events come from; the connector's where it is not said")
	c.Flags().BoolVar(&explain, "explain", false, "say of each event which mapping and code it comes from, and where it stands")
	c.Flags().BoolVar(&tests, "tests", false, "take payloads that are marked as a test")
	return c
}

// runFile prints the events of one payload, and says how many of them are not as expected.
func (a *app) runFile(x explainer, file, source string, explain bool) (surprises int, _ error) {
	body, err := a.read(file)
	if err != nil {
		return 0, err
	}
	now := a.now()
	es, err := x.Explain(store.Delivery{Source: source, Body: body, ReceivedAt: now}, now)
	if err != nil {
		a.Say("%s: %v", file, err)
		return 1, nil
	}
	for _, e := range es {
		if e.Surprise != "" && !e.Silent {
			surprises++
			a.Say("%s: %s: %s", file, e.Where(), e.Surprise)
		}
		if e.Silent && explain {
			a.Say("%s: %s: no event: %s", file, e.Where(), silence(e))
		}
		if e.Silent {
			continue
		}
		line, err := e.JSON(explain)
		if err != nil {
			return surprises, err
		}
		a.Print("%s", line)
	}
	return surprises, nil
}

// silence is why no event comes of a statement.
func silence(e connectors.Explained) string {
	if e.Scan.Milestone == connectors.Nothing {
		return fmt.Sprintf("code %s says nothing about the freight", e.Code)
	}
	return "it repeats one before it"
}

func (a *app) read(file string) ([]byte, error) {
	if file == "-" {
		return io.ReadAll(a.In)
	}
	return os.ReadFile(file)
}

func (a *app) test() *cobra.Command {
	var accept bool
	c := &cobra.Command{
		Use: "test DIR", Short: "Check the connectors in a folder, and try each on its samples", Args: cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			names, err := filepath.Glob(filepath.Join(args[0], "*.yaml"))
			if err != nil || len(names) == 0 {
				return errors.Join(err, fmt.Errorf("%s: no *.yaml is there: begin one with waybill connector new", args[0]))
			}
			failed := 0
			for _, name := range names {
				failed += a.testOne(args[0], filepath.Base(name), accept)
			}
			if f, err := a.open(args[0]); failed == 0 && err == nil {
				return errors.Join(f.Faults()...) // what only shows in all of them together
			}
			if failed > 0 {
				return fmt.Errorf("not as expected: %d", failed)
			}
			return nil
		},
	}
	c.Flags().BoolVar(&accept, "accept", false, "take what comes out of the samples for what is expected: read it before you commit it")
	return c
}

// testOne tries one definition, and says how much of it failed.
func (a *app) testOne(dir, name string, accept bool) (failed int) {
	fail := func(err error) int {
		a.Say("FAIL %s: %v", name, err)
		return 1
	}
	text, err := os.ReadFile(filepath.Join(dir, name))
	if err != nil {
		return fail(err)
	}
	x, err := declared.Parse(text)
	if err != nil {
		return fail(err)
	}
	results, err := declared.Try(os.DirFS(dir), name, x, a.now())
	if err != nil {
		return fail(err)
	}
	for _, r := range results {
		if r.Fault != nil && accept {
			r.Fault = os.WriteFile(filepath.Join(dir, declared.Expected(r.Sample)), r.Got, 0o644)
		}
		if r.Fault != nil {
			failed += fail(r.Fault)
			continue
		}
		a.Print("ok   %s %s", x.ID(), r.Sample)
	}
	return failed
}

func (a *app) scaffold() *cobra.Command {
	var dir, content string
	c := &cobra.Command{
		Use: "new NAME", Short: "Begin a connector: a file that works, with a sample, to change", Args: cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			files, err := declared.Scaffold(args[0], content)
			if err != nil {
				return err
			}
			for _, f := range files {
				if err := write(filepath.Join(dir, f.Name), f.Content); err != nil {
					return err
				}
				a.Print("%s", filepath.Join(dir, f.Name))
			}
			if a.testOne(dir, args[0]+".yaml", true) > 0 {
				return fmt.Errorf("%s.yaml does not work as it is", args[0])
			}
			return nil
		},
	}
	c.Flags().StringVar(&dir, "dir", ".", "folder to put it in")
	c.Flags().StringVar(&content, "content", "json", "what the partner sends: json or xml")
	return c
}

// write makes a file, and leaves one that is there alone.
func write(name string, content []byte) error {
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		return err
	}
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("%s is there already: take another name, or remove it", name)
	}
	if err != nil {
		return err
	}
	_, err = f.Write(content)
	return errors.Join(err, f.Close())
}
