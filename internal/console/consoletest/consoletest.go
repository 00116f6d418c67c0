// Package consoletest runs a command in a test, as a person would.
package consoletest

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"waybill/internal/console"
)

// Program is a command under test.
type Program struct {
	Command func(*console.Console) *cobra.Command
	Always  []string // arguments of every run, before its own
	In      string   // what it reads from standard input
}

// Run runs it, and returns its exit code and what it printed.
func (p Program) Run(t *testing.T, args ...string) (code int, out, words string) {
	t.Helper()
	var o, w bytes.Buffer
	c := &console.Console{In: strings.NewReader(p.In), Out: &o, Words: &w}
	code = c.Run(t.Context(), p.Command(c), append(append([]string{}, p.Always...), args...))
	return code, o.String(), w.String()
}

// Want runs it and wants an exit code, a text in its result and one in its words. It returns the result.
func (p Program) Want(t *testing.T, code int, inOut, inWords string, args ...string) (out string) {
	t.Helper()
	got, out, words := p.Run(t, args...)
	if got != code || !strings.Contains(out, inOut) || !strings.Contains(words, inWords) {
		t.Errorf("%s: exit %d, want %d\nout: %s\nwant in it: %s\nwords: %s\nwant in them: %s", strings.Join(args, " "), got, code, out, inOut, words, inWords)
	}
	return out
}

// FromJSON reads what a command printed for programs.
func FromJSON[T any](t *testing.T, out string) (v T) {
	t.Helper()
	if err := json.Unmarshal([]byte(out), &v); err != nil {
		t.Fatalf("%v in %s", err, out)
	}
	return v
}
