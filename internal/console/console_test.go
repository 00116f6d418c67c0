package console_test

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"syscall"
	"testing"

	"github.com/spf13/cobra"

	"waybill/internal/console"
)

// freightCommand has one of each: a command that works, one that fails, one that finds itself misused.
func freightCommand(c *console.Console) *cobra.Command {
	work := func(use string, err error) *cobra.Command {
		cmd := &cobra.Command{Use: use, Args: cobra.ExactArgs(1), RunE: func(*cobra.Command, []string) error { return err }}
		cmd.Flags().String("reason", "", "")
		_ = cmd.MarkFlagRequired("reason")
		return cmd
	}
	root := console.Group("freight", "Move freight", console.Group("box", "Move a box", work("move", nil), work("drop", errors.New("it broke")), work("weigh", console.Usagef("no scales"))))
	c.JSONFlag(root)
	return root
}

func run(args ...string) (code int, out, words string) {
	var o, w bytes.Buffer
	c := &console.Console{Out: &o, Words: &w}
	code = c.Run(context.Background(), freightCommand(c), args)
	return code, o.String(), w.String()
}

func TestExitCodesTellMisuseFromFailure(t *testing.T) {
	for _, tt := range []struct {
		name  string
		args  string
		code  int
		words string
	}{
		{"done", "box move a --reason r", console.Done, ""},
		{"tried and failed", "box drop a --reason r", console.Failed, "freight: it broke\n"},
		{"the command finds itself misused", "box weigh a --reason r", console.Misused, "no scales; see freight box weigh --help"},
		{"no command", "", console.Misused, "say which"},
		{"a group alone shows what is in it", "box", console.Misused, "drop"},
		{"unknown command", "bax", console.Misused, `unknown command "bax" for "freight"; see freight --help`},
		{"unknown command in a group", "box mvoe", console.Misused, `unknown command "mvoe" for "freight box"; see freight box --help`},
		{"unknown flag", "box move a --raeson r", console.Misused, "unknown flag: --raeson; see freight box move --help"},
		{"required flag missing", "box move a", console.Misused, `"reason" not set; see freight box move --help`},
		{"argument missing", "box move --reason r", console.Misused, "accepts 1 arg(s), received 0"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			code, out, words := run(strings.Fields(tt.args)...)
			if code != tt.code || !strings.Contains(words, tt.words) {
				t.Errorf("exit %d, want %d; words:\n%s\nwant in it: %s", code, tt.code, words, tt.words)
			}
			if out != "" {
				t.Errorf("on standard output, where only results belong: %s", out)
			}
		})
	}
}

func TestHelpIsAResult(t *testing.T) {
	code, out, words := run("box", "--help")
	if code != console.Done || !strings.Contains(out, "Move a box") || words != "" {
		t.Errorf("exit %d, out %q, words %q", code, out, words)
	}
}

func TestResultsForProgramsAreJSONAndNothingElse(t *testing.T) {
	var o, w bytes.Buffer
	c := &console.Console{Out: &o, Words: &w, JSON: true}
	if err := c.Show(map[string]string{"a": "1 < 2"}, func() { t.Error("printed for people") }); err != nil {
		t.Fatal(err)
	}
	if want := "{\n  \"a\": \"1 < 2\"\n}\n"; o.String() != want || w.Len() > 0 {
		t.Errorf("out %q, want %q; words %q", o.String(), want, w.String())
	}
}

// TestTheProcessStopsOnSIGTERM sends a real signal while a command works until it is told to stop.
func TestTheProcessStopsOnSIGTERM(t *testing.T) {
	told := errors.New("told to stop")
	code := console.Main(func(c *console.Console) *cobra.Command {
		c.Words = &bytes.Buffer{}
		return &cobra.Command{Use: "wait", Args: cobra.ArbitraryArgs, FParseErrWhitelist: cobra.FParseErrWhitelist{UnknownFlags: true}, RunE: func(cmd *cobra.Command, _ []string) error {
			if err := syscall.Kill(syscall.Getpid(), syscall.SIGTERM); err != nil {
				return err
			}
			<-cmd.Context().Done()
			return told
		}}
	})
	if code != console.Failed {
		t.Errorf("exit %d", code)
	}
}
