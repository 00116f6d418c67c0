package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"waybill/internal/console"
	"waybill/internal/console/consoletest"
	"waybill/internal/store"
	"waybill/starters/bridge/connectors"
	"waybill/starters/bridge/connectors/declared"
	"waybill/workflows/freight"
)

// connectorOf writes a version of connector acme, with a sample that it reads, into a desk's folder.
func (d *desk) connectorOf(version int, codes string) {
	d.t.Helper()
	dir := filepath.Join(d.dir, "connectors", fmt.Sprintf("acme-%d.samples", version))
	if err := os.MkdirAll(dir, 0o750); err != nil {
		d.t.Fatal(err)
	}
	for name, text := range map[string]string{
		fmt.Sprintf("acme-%d.yaml", version):                       fmt.Sprintf("name: acme\nversion: %d\nowner: o\ncontact: c\ncontent: json\nauth: github\ncarrier: ACME\nprogram: '{tracking: .n, code: .c, at: .at}'\ncodes: {%s}\n", version, codes),
		fmt.Sprintf("acme-%d.samples/none.json", version):          "[]",
		fmt.Sprintf("acme-%d.samples/none.json.expected", version): "refused: the program of acme@" + fmt.Sprint(version) + ": expected an object but got: array ([])\n",
	} {
		d.write(filepath.Join("connectors", name), text)
	}
}

// reading files a delivery as the relay does.
func (d *desk) reading(s *store.Store, id, body string, c connectors.Connector) {
	d.t.Helper()
	if _, err := s.Accept(d.t.Context(), store.Delivery{Source: "parcels", ID: id, Body: []byte(body), ReceivedAt: time.Date(2026, 11, 24, 10, 0, 0, 0, time.UTC)}); err != nil {
		d.t.Fatal(err)
	}
	ds, err := s.Waiting(d.t.Context(), 1)
	if err != nil || len(ds) != 1 {
		d.t.Fatal(ds, err)
	}
	in, fault := connectors.Read(c, ds[0])
	if fault != nil {
		err = s.Bury(d.t.Context(), ds[0].Seq, c.ID(), fault.Error())
	} else {
		_, err = s.AdmitAll(d.t.Context(), []store.Filing{{Delivery: ds[0].Seq, Connector: c.ID(), Scans: in}})
	}
	if err != nil {
		d.t.Fatal(err)
	}
}

func replayDesk(t *testing.T) (*desk, *store.Store, connectors.Connector) {
	t.Helper()
	d := newDesk(t, "http://127.0.0.1:1")
	d.connectorOf(1, "A: picked_up")
	d.config = d.write("replay.yaml", fmt.Sprintf("tenant: acme\nstore: {url: \"sqlite:%[1]s/waybill.db\"}\nconnectors: {folder: %[1]s/connectors}\nbridge: {sources: [{name: parcels, owner: parcel team, contact: p@example.com, connector: acme, secrets: [x]}, {name: tms, owner: o, secrets: [x]}]}\nsubscribers: [{name: shop, url: \"https://shop.example.com\", secrets: [x]}]\n", d.dir))
	all, err := declared.OpenCatalog(filepath.Join(d.dir, "connectors"), false, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	v1, err := all.Find("acme@1")
	if err != nil {
		t.Fatal(err)
	}
	return d, d.store(), v1
}

func TestReplayShowsTheDifferenceThenFilesWhatIsNew(t *testing.T) {
	d, s, v1 := replayDesk(t)
	if _, err := s.Record(t.Context(), store.Entry{View: freight.View{Shipment: "acme-7", Revision: 1}, References: []freight.Reference{{Kind: freight.RefTracking, Carrier: "ACME", Value: "P1"}}}); err != nil {
		t.Fatal(err)
	}
	d.reading(s, "known", `{"n":"P1","c":"A","at":"2026-11-24T08:00:00Z"}`, v1)
	d.reading(s, "new", `{"n":"P1","c":"B","at":"2026-11-24T09:00:00Z"}`, v1)
	d.want(console.Done, `code "B" is not in mapping acme@1`, "waybill-admin replay", "inbox", "list", "--state", "unexpected")
	d.connectorOf(2, "A: picked_up, B: delivered")
	window := []string{"replay", "--source", "parcels", "--from", "2026-11-24", "--to", "2026-11-25"}
	d.want(console.Done, "2 deliveries read again by acme@2, 1 as before, 1 differences", "nothing was changed", append(window, "--dry-run")...)
	if n, err := s.ScanCounts(t.Context()); err != nil || n["matched"] != 2 {
		t.Errorf("a dry run leaves %v, %v", n, err)
	}
	got := consoletest.FromJSON[reread](t, d.want(console.Done, "", "", append(window, "--json")...))
	if len(got.Changes) != 1 || got.Changes[0].DeliveryID != "new" || got.Changes[0].Kind != "changed" || got.Changes[0].Was.Milestone != freight.Unclassified || got.Changes[0].Is.Milestone != freight.Delivered ||
		got.Changes[0].Shipment != "acme-7" || got.Filed != 1 || got.Connector != "acme@2" {
		t.Errorf("%+v", got)
	}
	if st, err := s.SubscriberState(t.Context(), "shop"); err != nil || st.Counts["waiting"] != 1 {
		t.Errorf("subscribers are told %v, %v", st.Counts, err)
	}
	again := consoletest.FromJSON[reread](t, d.want(console.Done, "", "", append(window, "--json")...))
	if again.Filed != 0 {
		t.Errorf("a second time it files %d", again.Filed)
	}
	d.want(console.Done, "by acme@1, 1 as before", "", append(window, "--connector-version", "1", "--dry-run")...)
}

func TestWhatAShipmentWasToldWronglyIsTakenBackByAPersonWithAReason(t *testing.T) {
	d, s, v1 := replayDesk(t)
	if _, err := s.Record(t.Context(), store.Entry{View: freight.View{Shipment: "acme-7", Revision: 1}, References: []freight.Reference{{Kind: freight.RefTracking, Carrier: "ACME", Value: "P1"}}}); err != nil {
		t.Fatal(err)
	}
	d.reading(s, "one", `{"n":"P1","c":"A","at":"2026-11-24T08:00:00Z"}`, v1)
	d.connectorOf(2, "A: label_created")
	args := []string{"replay", "--source", "parcels", "--from", "2026-11-24", "--to", "2026-11-25", "--retract", "--by", "ann"}
	out := d.want(console.Done, "1 statements would be taken back", "nothing was changed", append(args, "--dry-run")...)
	if !strings.Contains(out, "picked_up") || !strings.Contains(out, "acme-7") || !strings.Contains(out, "yes") {
		t.Errorf("it does not show what it would take back:\n%s", out)
	}
	d.want(console.Done, "0 as before, 1 differences\n", "", append(args, "--dry-run", "--milestone", "delivered")...)
	d.want(console.Misused, "", `--milestone "gone" is no milestone`, append(args, "--dry-run", "--milestone", "gone")...)
	d.want(console.Misused, "", "--retract: by of 1 to", args...)
	args = append(args, "--reason", "A is the label")
	if got := consoletest.FromJSON[reread](t, d.want(console.Done, "", "", append(args, "--json")...)); got.TakenBack != 1 || !got.Changes[0].TakenBack {
		t.Errorf("%+v", got)
	}
	d.want(console.Done, "0 statements taken back", "", args...)
	d.want(console.Done, "verified by ann", "", "inbox", "show", "2")
	d.want(console.Done, "reason: A is the label", "", "inbox", "show", "2")
}

func TestDeadLetterIsShownWithWhatReadsItAgain(t *testing.T) {
	d, s, v1 := replayDesk(t)
	d.reading(s, "odd", `[{"n":"P1","c":"A","at":"2026-11-24T08:00:00Z"}]`, v1)
	out := d.want(console.Done, "read by acme@1", "", "inbox", "show", "1")
	for _, part := range []string{"acme@1 could not read it", "parcel team, p@example.com", "waybill-admin replay --dead --source parcels --from 2026-11-24"} {
		if !strings.Contains(out, part) {
			t.Errorf("%q is not in\n%s", part, out)
		}
	}
	d.want(console.Done, "1 deliveries read again by acme@1, 1 as before, 0 differences", "", "replay", "--dead", "--source", "parcels", "--from", "2026-11-24", "--to", "2026-11-25")
}

func TestReplayRefusesWhatItCannotMean(t *testing.T) {
	d, _, _ := replayDesk(t)
	for _, c := range []struct {
		code        int
		args, words string
	}{
		{console.Misused, "replay", `required flag(s) "from", "source" not set`},
		{console.Misused, "replay --source parcels --from yesterday", "write a time such as 2026-11-24T08:00:00Z, or a day"},
		{console.Misused, "replay --source parcels --from 2026-11-24 --to 2026-11-23", "is not before"},
		{console.Misused, "replay --source tms --from 2026-11-24 --connector-version 2", "sends our own events"},
		{console.Misused, "replay --source parcel --from 2026-11-24", "is none of bridge.sources"},
		{console.Failed, "replay --source parcels --from 2026-11-24 --connector-version 9", "there is no connector acme@9"},
	} {
		d.want(c.code, "", c.words, strings.Fields(c.args)...)
	}
}
