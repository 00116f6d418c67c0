package historytest

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	enumspb "go.temporal.io/api/enums/v1"
	historypb "go.temporal.io/api/history/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/worker"
	"google.golang.org/protobuf/encoding/protojson"
)

// Goldens are the histories of a story, each named by release and situation. They are only ever added to.
type Goldens string

// sums is the file of their checksums, in the form sha256sum writes.
const sums = "SHA256SUMS"

// History reads the history of a run; an empty run is the newest.
func History(t *testing.T, c client.Client, id, run string) *historypb.History {
	t.Helper()
	h := &historypb.History{}
	for it := c.GetWorkflowHistory(t.Context(), id, run, false, enumspb.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT); it.HasNext(); {
		e, err := it.Next()
		if err != nil {
			t.Fatal(err)
		}
		h.Events = append(h.Events, e)
	}
	return h
}

// Has reports whether a situation of a release is recorded.
func (g Goldens) Has(release, situation string) bool {
	_, err := os.Stat(g.path(release, situation))
	return err == nil
}

func (g Goldens) path(release, situation string) string {
	return filepath.Join(string(g), release, situation+".json")
}

// Add records a history and its checksum. One that is there is never overwritten.
func (g Goldens) Add(t *testing.T, release, situation string, h *historypb.History) {
	t.Helper()
	text, err := protojson.Marshal(h)
	if err != nil {
		t.Fatal(err)
	}
	path := g.path(release, situation)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := write(path, text, os.O_CREATE|os.O_EXCL); err != nil {
		t.Fatal(err)
	}
	line := fmt.Sprintf("%s  %s/%s.json\n", sumOf(text), release, situation)
	if err := write(filepath.Join(string(g), sums), []byte(line), os.O_CREATE|os.O_APPEND); err != nil {
		t.Fatal(err)
	}
}

func write(path string, text []byte, how int) error {
	f, err := os.OpenFile(path, os.O_WRONLY|how, 0o644)
	if err != nil {
		return err
	}
	_, err = f.Write(text)
	return errors.Join(err, f.Close())
}

func sumOf(text []byte) string {
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:])
}

// Files lists the recorded histories, relative to the folder.
func (g Goldens) Files(t *testing.T) (files []string) {
	t.Helper()
	err := filepath.WalkDir(string(g), func(path string, d fs.DirEntry, err error) error {
		if err == nil && filepath.Ext(path) == ".json" {
			rel, _ := filepath.Rel(string(g), path) // it is below
			files = append(files, filepath.ToSlash(rel))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// CheckUnchanged fails where a recorded history was changed, removed, or added without its checksum.
func (g Goldens) CheckUnchanged(t *testing.T) {
	t.Helper()
	listed, err := os.ReadFile(filepath.Join(string(g), sums))
	if err != nil {
		t.Fatal(err)
	}
	files := g.Files(t)
	for line := range strings.Lines(string(listed)) {
		want, name, ok := strings.Cut(strings.TrimSpace(line), "  ")
		if !ok {
			t.Fatalf("%s: %q is no line of sha256sum", sums, line)
		}
		files = slices.DeleteFunc(files, func(f string) bool { return f == name })
		text, err := os.ReadFile(filepath.Join(string(g), name))
		if err != nil || sumOf(text) != want {
			t.Errorf("%s was changed or removed (%v). It is the history of shipments that a release started: restore it, and record a new one beside it", name, err)
		}
	}
	for _, f := range files {
		t.Errorf("%s has no checksum: histories are recorded with make record", f)
	}
}

// Replay runs the code of today over every recorded history. The key ring opens those that are encrypted.
func (g Goldens) Replay(t *testing.T, keyring string, register func(worker.WorkflowReplayer)) {
	t.Helper()
	dc := Sealed(t, keyring)
	o := worker.WorkflowReplayerOptions{DataConverter: dc, FailureConverter: Failures(dc)}
	files := g.Files(t)
	if len(files) == 0 {
		t.Fatalf("no history in %s: a replay of nothing proves nothing; make record makes them", g)
	}
	for _, f := range files {
		t.Run(strings.TrimSuffix(f, ".json"), func(t *testing.T) {
			r, err := worker.NewWorkflowReplayerWithOptions(o)
			if err != nil {
				t.Fatal(err)
			}
			register(r)
			if err := r.ReplayWorkflowHistoryFromJSONFile(silent{}, filepath.Join(string(g), f)); err != nil {
				t.Errorf("what was started by release %s and stands as in %q would stop at its next task, and stay so, running in name only:\n%v\n"+
					"Put the change behind workflow.GetVersion so that old runs keep the old commands, then add histories of the new ones with make record. Never record this one anew.",
					filepath.Dir(f), filepath.Base(f), err)
			}
		})
	}
}

// Runs are the ids of a workflow's runs, newest first. It reads them from the runs themselves: lists lag.
func Runs(t *testing.T, c client.Client, id string) (ids []string) {
	t.Helper()
	d, err := c.DescribeWorkflowExecution(t.Context(), id, "")
	if err != nil {
		t.Fatal(err)
	}
	for run := d.GetWorkflowExecutionInfo().GetExecution().GetRunId(); run != ""; {
		ids = append(ids, run)
		started := History(t, c, id, run).GetEvents()[0].GetWorkflowExecutionStartedEventAttributes()
		run = started.GetContinuedExecutionRunId()
	}
	return ids
}
