package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"waybill/internal/store"
)

// connector writes a version of connector parcels into the folder; one that is broken does not give what its sample wants.
func (w *world) connector(version int, milestone string, broken bool) {
	w.t.Helper()
	name := fmt.Sprintf("parcels-%d", version)
	if err := os.MkdirAll(filepath.Join(w.dir, "connectors", name+".samples"), 0o750); err != nil {
		w.t.Fatal(err)
	}
	refusal := fmt.Sprintf("refused: the program of parcels@%d: expected an object but got: array ([])\n", version)
	if broken {
		refusal = "refused: something else\n"
	}
	w.write("connectors/"+name+".samples/none.json", "[]")
	w.write("connectors/"+name+".samples/none.json.expected", refusal)
	w.write("connectors/"+name+".yaml", fmt.Sprintf("name: parcels\nversion: %d\nowner: o\ncontact: c\ncontent: json\nauth: github\ncarrier: ACME\nprogram: '{tracking: .n, code: .c, at: .at}'\ncodes: {A: %s}\n", version, milestone))
}

// readBy waits until a delivery of source parcels was read, and says by which version.
func (w *world) readBy(s *store.Store, r *running, id string) (connector string) {
	w.t.Helper()
	body := fmt.Appendf(nil, `{"n":%q,"c":"A","at":%q}`, id, time.Now().UTC().Format(time.RFC3339))
	if _, err := s.Accept(w.t.Context(), store.Delivery{Source: "parcels", ID: id, Body: body, ReceivedAt: time.Now()}); err != nil {
		w.t.Fatal(err)
	}
	w.until("delivery "+id+" is read", func() bool {
		ds, err := s.Deliveries(w.t.Context(), store.Done, "parcels", 1)
		if err != nil || len(ds) == 0 || ds[0].ID != id {
			return false
		}
		connector = ds[0].Connector
		return true
	}, r.log.String)
	return connector
}

func TestNewVersionOfAConnectorIsUsedWithoutARestartAndABrokenOneIsNot(t *testing.T) {
	w := newWorld(t)
	w.connector(1, "picked_up", false)
	w.change("metrics: ", fmt.Sprintf("connectors: {folder: %s/connectors, look_every: 1s}\nbridge: {sources: [{name: parcels, owner: o, connector: parcels, secrets: [x]}]}\nmetrics: ", w.dir))
	w.lacks()
	r := w.start()
	w.says(r, "worker_started")
	s, err := store.Open(t.Context(), "sqlite:"+w.dir+"/waybill.db")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = s.Close() }()
	if by := w.readBy(s, r, "one"); by != "parcels@1" {
		t.Errorf("the first is read by %s", by)
	}
	w.connector(2, "in_transit", true)
	w.says(r, "parcels-2.samples/none.json: event 1 is")
	if by := w.readBy(s, r, "two"); by != "parcels@1" {
		t.Errorf("beside a broken version it is read by %s", by)
	}
	w.lacks("a connector that can be used: declared: parcels-2.samples/none.json")
	w.connector(2, "in_transit", false)
	w.says(r, "parcels@2 is in use")
	if by := w.readBy(s, r, "three"); by != "parcels@2" {
		t.Errorf("once mended it is read by %s", by)
	}
	w.connector(2, "teleported", false)
	w.says(r, "parcels@2 stays in use: ")
	if by := w.readBy(s, r, "four"); by != "parcels@2" {
		t.Errorf("when it breaks it is read by %s", by)
	}
	if !strings.Contains(r.log.String(), `"level":"warn"`) {
		t.Error("a broken version is no warning")
	}
}

func TestSourceWhoseConnectorIsNotThereIsNamed(t *testing.T) {
	w := newWorld(t)
	w.change("metrics: ", "bridge: {sources: [{name: parcels, owner: o, connector: parcels@7, secrets: [x]}]}\nmetrics: ")
	w.lacks("source parcels: there is no connector parcels@7: see waybill connector list: put it into connectors.folder")
	r := w.start()
	w.says(r, "source parcels: there is no connector parcels@7")
	w.change("metrics: ", "connectors: {folder: /proc/none}\nmetrics: ")
	w.lacks("connectors.folder: /proc/none is no folder")
}
