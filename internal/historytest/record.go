package historytest

import (
	"flag"
	"fmt"
	"slices"
	"testing"

	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/converter"
)

var (
	record  = flag.Bool("record", false, "record histories that are not there yet, as make record does")
	release = flag.String("release", "v1", "the release whose histories are recorded")
)

// Situation is one way for a workflow to go, on a server of its own.
type Situation struct {
	Name     string
	Settings []string // of the server, "key=value"
	Sealed   bool     // with payloads encrypted
	Runs     int      // that a history is recorded of; 0: the first, whose history has the situation's name alone
	Play     func(*testing.T, client.Client)
}

// file names the nth run's history.
func (s Situation) file(n int) string {
	if s.Runs == 0 {
		return s.Name
	}
	return fmt.Sprintf("%s-run-%d", s.Name, n)
}

// Record plays each situation and keeps the history of the workflow with that id, where the tests are run with
// -record. Those that are recorded stay as they are. Sealed situations use the key ring.
func (g Goldens) Record(t *testing.T, id, keyring string, situations []Situation) {
	if !*record {
		t.Skip("records only when asked to: make record")
	}
	for _, s := range situations {
		t.Run(s.Name, func(t *testing.T) {
			if g.Has(*release, s.file(1)) {
				t.Skip("is recorded")
			}
			t.Parallel()
			var dc converter.DataConverter
			if s.Sealed {
				dc = Sealed(t, keyring)
			}
			c := Server(t, dc, s.Settings...)
			s.Play(t, c)
			runs := Runs(t, c, id)
			slices.Reverse(runs)
			if len(runs) < s.Runs {
				t.Fatalf("%d runs, want %d: the situation has not come about", len(runs), s.Runs)
			}
			for n, run := range runs[:max(s.Runs, 1)] {
				g.Add(t, *release, s.file(n+1), History(t, c, id, run))
			}
		})
	}
}
