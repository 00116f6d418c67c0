package main

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/operatorservice/v1"
	"google.golang.org/protobuf/proto"

	"waybill/internal/cluster"
	"waybill/internal/console"
	"waybill/internal/console/consoletest"
	"waybill/workflows/freight"
	"waybill/workflows/protocol"
)

// check runs waybill-worker --check and returns what is missing.
func (w *world) check() (code int, missing []string) {
	w.t.Helper()
	code, out, _ := consoletest.Program{Command: command}.Run(w.t, "--config", w.file, "--check", "--json")
	v := consoletest.FromJSON[console.Verdict](w.t, out)
	if v.OK != (code == console.Done) || v.OK != (len(v.Missing) == 0) {
		w.t.Errorf("exit %d with %+v", code, v)
	}
	return code, v.Missing
}

// lacks wants exactly these things to be missing, in any order.
func (w *world) lacks(want ...string) {
	w.t.Helper()
	_, missing := w.check()
	left := append([]string(nil), missing...)
	for _, text := range want {
		found := false
		for i, m := range left {
			if !found && strings.Contains(m, text) {
				left, found = append(left[:i:i], left[i+1:]...), true
			}
		}
		if !found {
			w.t.Errorf("not named: %s\nnamed:\n%s", text, strings.Join(missing, "\n"))
		}
	}
	for _, m := range left {
		w.t.Errorf("named, and not missing: %s", m)
	}
}

// change writes the configuration anew with some text replaced.
func (w *world) change(pairs ...string) {
	w.t.Helper()
	b, err := os.ReadFile(w.file)
	if err != nil {
		w.t.Fatal(err)
	}
	text := strings.NewReplacer(pairs...).Replace(string(b))
	if text == string(b) {
		w.t.Fatal("nothing was changed: the test proves nothing")
	}
	w.file = w.write(fmt.Sprintf("waybill-%d.yaml", time.Now().UnixNano()), text)
}

func TestCheckNamesAllThatIsMissingAtOnceAndWhatToDo(t *testing.T) {
	w := newWorld(t)
	t.Setenv("WB_TEST_OTHER", "other-token")
	if code, missing := w.check(); code != console.Done {
		t.Fatalf("a company in order lacks %q", missing)
	}
	good := w.file
	attribute := protocol.DeadlineAttribute.GetName()
	if _, err := w.temporal.OperatorService().RemoveSearchAttributes(t.Context(), &operatorservice.RemoveSearchAttributesRequest{Namespace: "default", SearchAttributes: []string{attribute}}); err != nil {
		t.Fatal(err)
	}
	t.Setenv("WB_TEST_ODOO", "wr0ng")
	w.change("policies.yaml", "none.yaml", "billing: {", `tms: {url: "http://127.0.0.1:1", token: "env:WB_TEST_TOKEN"}
billing: {`, "tms: {", "#", `finance: {url: "`, `finance: {token: "env:WB_TEST_OTHER", url: "`, `, token: "env:WB_TEST_TOKEN"}
policies`, `}
policies`)
	w.lacks(
		"search attribute "+attribute+" in namespace default: run waybill-admin temporal setup",
		`status user: login or password is wrong for "admin" in database "demo": set odoo.status.login and odoo.status.password`,
		"money user: login or password is wrong",
		"tms: the TMS cannot be reached: ",
		"finance: the finance platform says: Unknown token",
		"none.yaml: no such file",
	)
	w.file = good
	w.change("metrics: ", "codec: {key_file: none.json}\nmetrics: ")
	t.Setenv("WB_TEST_ODOO", "admin")
	w.lacks("codec keys: open none.json: no such file")
	w.file = good
	t.Setenv("TEMPORAL_ADDRESS", "127.0.0.1:1")
	w.lacks("temporal at 127.0.0.1:1, namespace \"default\": ")
	w.change(w.dir+"/waybill.db", "/proc/none/waybill.db")
	w.lacks("temporal at 127.0.0.1:1", "/proc/none")
}

func TestCheckDoesNotProveByAConfigurationThatIsWrong(t *testing.T) {
	w := newWorld(t)
	w.change("tenant: acme", "tenant: ACME", `money: {login: admin`, `money: {login: ""`)
	before := w.logins.Load()
	w.lacks(`tenant: "ACME": want 1 to 20 lower-case letters or digits`, `odoo.money.login: "": want the login`)
	if w.logins.Load() != before {
		t.Error("Odoo was asked by a configuration that is wrong")
	}
	w.file += "x"
	w.lacks("no such file")
}

// TestAWorkerDoesNotServeWhereEveryShipmentWouldStandStill: an attribute that is not registered wedges each task,
// and nothing looks wrong.
func TestAWorkerDoesNotServeWhereEveryShipmentWouldStandStill(t *testing.T) {
	w := newWorld(t)
	_, err := w.temporal.OperatorService().RemoveSearchAttributes(t.Context(), &operatorservice.RemoveSearchAttributesRequest{Namespace: "default", SearchAttributes: []string{protocol.StageAttribute.GetName()}})
	if err != nil {
		t.Fatal(err)
	}
	r := w.start()
	w.ended(r)
	if r.code != console.Failed || !strings.Contains(r.log.String(), "search attribute ShipmentStage in namespace default: run waybill-admin temporal setup") {
		t.Errorf("exit %d:\n%s", r.code, r.log)
	}
}

// TestWrongCredentialsAreSaidOnceAndHealWithoutARestart: Odoo locks out who tries often.
func TestWrongCredentialsAreSaidOnceAndHealWithoutARestart(t *testing.T) {
	w := newWorld(t)
	secret := w.write("odoo-password", "wr0ng-word")
	w.change(`status: {login: admin, password: "env:WB_TEST_ODOO"}`, `status: {login: admin, password: "file:`+secret+`"}`)
	r := w.start()
	w.says(r, "status user: login or password is wrong")
	w.write("odoo-password", "admin")
	w.says(r, "scans_started")
	if n := strings.Count(r.log.String(), "login or password is wrong"); n != 1 {
		t.Errorf("said %d times:\n%s", n, r.log)
	}
	if n := w.logins.Load(); n != 3 { // the status user's, refused and then let in, and the money user's
		t.Errorf("%d logins were tried", n)
	}
	if strings.Contains(r.log.String(), "wr0ng-word") {
		t.Error("the password is in the log")
	}
	r.end()
	if r.code != console.Done {
		t.Errorf("exit %d:\n%s", r.code, r.log)
	}
}

// TestPasswordThatIsChangedInOdooShutsTheQueueOnceAndOpensItWhenItIsMended: what waits meanwhile is not tried.
func TestPasswordThatIsChangedInOdooShutsTheQueueOnceAndOpensItWhenItIsMended(t *testing.T) {
	w := newWorld(t)
	secret := w.write("odoo-password", "admin")
	w.change(`status: {login: admin, password: "env:WB_TEST_ODOO"}`, `status: {login: admin, password: "file:`+secret+`"}`)
	r := w.start()
	w.says(r, "scans_started")
	w.write("odoo-password", "wr0ng-word")
	w.says(r, "system_down")
	id := freight.ShipmentID(strings.TrimSpace(w.want(console.Done, "", "", "release", fmt.Sprint(w.sell("ACME")), "--tenant", "acme")))
	probes := w.figure("waybill_breaker_probes_total", `target="odoo, status user"`)
	w.until("it is probed again", func() bool { return w.figure("waybill_breaker_probes_total", `target="odoo, status user"`) >= probes+2 }, r.log.String)
	if d, err := w.temporal.DescribeWorkflowExecution(t.Context(), protocol.ShipmentWorkflowID(id), ""); err != nil || len(d.GetPendingActivities()) != 1 || d.GetPendingActivities()[0].GetAttempt() != 1 {
		t.Errorf("it does not wait for its first attempt: %v, %v", d.GetPendingActivities(), err)
	}
	w.write("odoo-password", "admin")
	w.says(r, "system_back")
	w.until("the shipment goes on", func() bool { return asked(w.tms, id) }, r.log.String)
	if n := strings.Count(r.log.String(), "system_down"); n != 1 {
		t.Errorf("said %d times:\n%s", n, r.log)
	}
}

// TestRightThatIsMissingForOneShipmentStopsNoOtherAndIsSaidOnce, though it is tried again.
func TestRightThatIsMissingForOneShipmentStopsNoOtherAndIsSaidOnce(t *testing.T) {
	w := newWorld(t)
	r := w.start()
	w.says(r, "scans_started")
	id := w.release("ACME")
	w.forbid.Store(id)
	w.carry(w.temporal, id, "CI-forbidden", "400.00 USD")
	w.says(r, "call_refused")
	for range 2 {
		w.disputed("400.00 USD") // rated, audited
	}
	if said := r.log.String(); strings.Contains(said, "system_down") || strings.Count(said, "call_refused") != 1 {
		t.Errorf("want one line and no queue shut:\n%s", said)
	}
}

// TestWorkerHoldsWhatItIsConfiguredTo: stories, polls and steps at a time.
func TestWorkerHoldsWhatItIsConfiguredTo(t *testing.T) {
	w := newWorld(t)
	w.change("metrics: ", "worker: {cached_stories: 2, story_pollers: 3, activity_pollers: 4}\nqueues: [{name: waybill, concurrency: 7}]\nmetrics: ")
	r := w.start()
	w.says(r, "scans_started")
	for range 4 {
		w.release("ACME")
	}
	for _, want := range []struct {
		metric, label string
		value         float64
	}{
		{"temporal_num_pollers", `task_queue="` + protocol.QueueBilling + `"`, 4},
		{"temporal_sticky_cache_size", "", 2},
		{"temporal_worker_task_slots_available", `worker_type="WorkflowWorker"`, 7},
	} {
		w.until(fmt.Sprint(want), func() bool { return w.figure(want.metric, want.label) == want.value }, w.page)
	}
}

// page is all that the worker tells of its figures.
func (w *world) page() string {
	resp, err := http.Get("http://" + w.metrics() + "/metrics")
	if err != nil {
		return err.Error()
	}
	defer func() { _ = resp.Body.Close() }()
	b, _ := io.ReadAll(resp.Body) // what cannot be read has no figures
	return string(b)
}

// figure is a figure of the worker's whose labels hold a text; -1 for none.
func (w *world) figure(metric, label string) float64 {
	for _, line := range strings.Split(w.page(), "\n") {
		if name, value, ok := strings.Cut(line, "} "); ok && strings.HasPrefix(name, metric+"{") && strings.Contains(name, label) {
			f, err := strconv.ParseFloat(value, 64)
			if err == nil {
				return f
			}
		}
	}
	return -1
}

// TestStopLetsWhatIsUnderWayEnd: the TMS is asked once, though the worker is told to stop while it is.
func TestStopLetsWhatIsUnderWayEnd(t *testing.T) {
	w := newWorld(t)
	asked, answer := w.hold()
	r := w.start()
	w.says(r, "scans_started")
	picking := fmt.Sprint(w.sell("ACME"))
	id := freight.ShipmentID(strings.TrimSpace(w.want(console.Done, "", "", "release", picking, "--tenant", "acme")))
	<-asked
	r.stop()
	w.until("it takes no more work", func() bool {
		resp, err := http.Get("http://" + w.metrics() + "/healthz")
		if err != nil {
			return true
		}
		return resp.Body.Close() != nil
	}, r.log.String)
	select {
	case <-r.ended:
		t.Error("it ended, and left a call without its answer")
	case <-time.After(time.Second): // one that does not wait has ended long before
	}
	close(answer)
	w.ended(r)
	if r.code != console.Done || !strings.Contains(r.log.String(), "worker_stopped") {
		t.Errorf("exit %d:\n%s", r.code, r.log)
	}
	// Another takes over where it stopped. Only then may the call show in the history: Temporal keeps it back while a
	// workflow task is out, as one may be that went to the worker when it stopped.
	r = w.start()
	w.says(r, "scans_started")
	w.until("the call under way ends", func() bool { return w.ends(id, protocol.RequestCarrier.Name) != "" }, r.log.String)
	if got := w.ends(id, protocol.RequestCarrier.Name); got != "ActivityTaskCompleted" {
		t.Errorf("the call under way ended as %q", got)
	}
	w.scan(w.temporal, id, freight.Scan{Milestone: freight.TenderAccepted})
	w.state(w.temporal, id, "in transit", func(s freight.Shipment) bool { return s.Stage == freight.StageTransit && s.Tenders == 1 })
	if n := len(w.tms.Requests()); n != 1 {
		t.Errorf("the TMS was asked %d times", n)
	}
}

// ends is the event by which an activity of a shipment ended, "" where it has not.
func (w *world) ends(id freight.ShipmentID, activity string) string {
	w.t.Helper()
	scheduled := map[int64]bool{}
	for h := w.temporal.GetWorkflowHistory(w.t.Context(), protocol.ShipmentWorkflowID(id), "", false, enumspb.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT); h.HasNext(); {
		e, err := h.Next()
		if err != nil {
			w.t.Fatal(err)
		}
		if e.GetActivityTaskScheduledEventAttributes().GetActivityType().GetName() == activity {
			scheduled[e.GetEventId()] = true
		}
		if scheduled[e.GetActivityTaskCompletedEventAttributes().GetScheduledEventId()] || scheduled[e.GetActivityTaskTimedOutEventAttributes().GetScheduledEventId()] || scheduled[e.GetActivityTaskFailedEventAttributes().GetScheduledEventId()] {
			return e.GetEventType().String()
		}
	}
	return ""
}

// ended waits until a worker has ended by itself, or because it was told to.
func (w *world) ended(r *running) {
	w.t.Helper()
	w.until("the worker ends", func() bool {
		select {
		case <-r.ended:
			return true
		default:
			return false
		}
	}, r.log.String)
}

// metrics is where the worker tells its figures.
func (w *world) metrics() string {
	w.t.Helper()
	b, err := os.ReadFile(w.file)
	if err != nil {
		w.t.Fatal(err)
	}
	_, after, _ := strings.Cut(string(b), `metrics: {listen: "`)
	address, _, _ := strings.Cut(after, `"`)
	return address
}

func TestEveryOutsideSystemIsMeasured(t *testing.T) {
	w := newWorld(t)
	r := w.start()
	w.says(r, "scans_started")
	w.disputed("400.00 USD")
	var page string
	w.until("all systems are in the figures", func() bool {
		resp, err := http.Get("http://" + w.metrics() + "/metrics")
		if err != nil {
			return false
		}
		defer func() { _ = resp.Body.Close() }()
		b, err := io.ReadAll(resp.Body)
		page = string(b)
		for _, want := range []string{
			`waybill_outbound_duration_seconds_count{operation="POST /v1/ratings",outcome="ok",target="billing"}`,
			`waybill_outbound_duration_seconds_count{operation="POST /v1/shipment-requests",outcome="ok",target="tms"}`,
			`waybill_outbound_duration_seconds_count{operation="stock.picking.write",outcome="ok",target="odoo"}`,
			`target="finance"`, "temporal_",
		} {
			if !strings.Contains(page, want) {
				return false
			}
		}
		return err == nil
	}, func() string { return page })
}

func TestTwoWorkersCannotShareAPortAndTheSecondSaysSo(t *testing.T) {
	w := newWorld(t)
	first := w.start()
	w.says(first, "scans_started")
	second := w.start()
	w.ended(second)
	if second.code != console.Failed || !strings.Contains(second.log.String(), "listen on "+w.metrics()) {
		t.Errorf("exit %d:\n%s", second.code, second.log)
	}
}

// canaries are words that only one shipment's payloads hold: a carrier's number and amount, what a partner said, and
// what a person wrote.
var canaries = []string{"CANARY-INV-4711", "417.23", "canary-refusal-of-the-engine", "canary-reason-of-ann"}

// TestWithACodecTemporalHoldsNothingInTheClear runs a shipment to its ruling, with a refused call on the way, and
// reads all that Temporal keeps of it as somebody without the key would.
func TestWithACodecTemporalHoldsNothingInTheClear(t *testing.T) {
	for name, sealed := range map[string]bool{"with the codec": true, "without, the words are there to be found": false} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			var keys string
			if sealed {
				keys = w.seal()
			}
			kept := w.canaryShipment(keys)
			for _, c := range canaries {
				if found := strings.Contains(kept, c); found == sealed {
					t.Errorf("%q in the clear: %v", c, found)
				}
			}
		})
	}
}

// seal gives the company a codec.
func (w *world) seal() (keyFile string) {
	w.t.Helper()
	b, err := json.Marshal(cluster.Keyring{Active: "k1", Keys: map[string]string{"k1": base64.StdEncoding.EncodeToString([]byte(strings.Repeat("k", 32)))}})
	if err != nil {
		w.t.Fatal(err)
	}
	keyFile = w.write("keys.json", string(b))
	w.change("metrics: ", `codec: {key_file: "`+keyFile+`"}`+"\nmetrics: ")
	w.t.Setenv("WAYBILL_CODEC_KEY_FILE", keyFile)
	return keyFile
}

// canaryShipment carries a shipment whose every part can be told, and returns all that Temporal keeps of it and of
// its dispute.
func (w *world) canaryShipment(keys string) string {
	w.t.Helper()
	r := w.start()
	w.says(r, "scans_started")
	c, err := cluster.Dial(w.t.Context(), cluster.Options{Logger: cluster.Silent{}, CodecKeyFile: keys})
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(c.Close)
	id := w.release("ACME")
	w.refuse.Store("canary-refusal-of-the-engine")
	w.carry(c, id, "CANARY-INV-4711", "417.23 USD")
	s := w.state(c, id, "parked by the refusal", func(s freight.Shipment) bool { return len(s.Exceptions.OpenKinds()) > 0 })
	w.refuse.Store("")
	for _, e := range s.Exceptions {
		w.want(console.Done, "applied", "", "exception", "resolve", string(id), fmt.Sprint(e.ID), "--action", "retry", "--reason", "canary-reason-of-ann")
	}
	s = w.state(c, id, "disputed", func(s freight.Shipment) bool { return len(s.OpenDisputes()) == 1 })
	dispute := string(s.OpenDisputes()[0].Dispute)
	w.want(console.Done, "applied", "", "dispute", "approve", dispute, "--reason", "canary-reason-of-ann", "--key", w.keys["ann.key"])
	w.state(c, id, "ruled", func(s freight.Shipment) bool { return len(s.Rulings) == 1 })
	r.end()
	return w.raw(protocol.ShipmentWorkflowID(id)) + w.raw(protocol.DisputeWorkflowID(freight.DisputeID(dispute)))
}

// raw is all that Temporal keeps of a workflow, as it is on disk.
func (w *world) raw(id string) string {
	w.t.Helper()
	var kept strings.Builder
	failures := 0
	for h := w.temporal.GetWorkflowHistory(w.t.Context(), id, "", false, enumspb.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT); h.HasNext(); {
		e, err := h.Next()
		if err != nil {
			w.t.Fatal(err)
		}
		if e.GetEventType() == enumspb.EVENT_TYPE_ACTIVITY_TASK_FAILED {
			failures++
		}
		b, err := proto.Marshal(e)
		if err != nil {
			w.t.Fatal(err)
		}
		kept.Write(b)
	}
	if strings.HasPrefix(id, "shipment/") && failures == 0 {
		w.t.Error("no failure is in the history: the test proves nothing of failures")
	}
	d, err := w.temporal.DescribeWorkflowExecution(w.t.Context(), id, "")
	if err != nil {
		w.t.Fatal(err)
	}
	b, err := proto.Marshal(d)
	if err != nil {
		w.t.Fatal(err)
	}
	return kept.String() + string(b)
}
