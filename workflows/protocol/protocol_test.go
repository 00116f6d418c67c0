package protocol_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/testsuite"
	"go.temporal.io/sdk/workflow"
	"pgregory.net/rapid"

	"waybill/workflows/freight"
	"waybill/workflows/protocol"
)

var faults = []protocol.Fault{protocol.Transient, protocol.Throttled, protocol.Ambiguous, protocol.Configuration, protocol.Rejected, protocol.Poison, protocol.NoContract, protocol.FactsChanged, protocol.NotOurs}

// TestFaultCrossesAsItselfAndIsTriedAgainOnlyWhereThatCanHelp sends each through an activity, as it crosses for real.
func TestFaultCrossesAsItselfAndIsTriedAgainOnlyWhereThatCanHelp(t *testing.T) {
	again := map[protocol.Fault]bool{protocol.Transient: true, protocol.Throttled: true, protocol.Ambiguous: true, protocol.Configuration: true}
	for _, f := range faults {
		t.Run(string(f), func(t *testing.T) {
			err := call(t, func() error { return fmt.Errorf("odoo: post: %w", f.Of(errors.New("reopen the period"))) })
			if protocol.FaultOf(err) != f || protocol.Words(err) != "odoo: post: reopen the period" {
				t.Errorf("crossed as %s: %q", protocol.FaultOf(err), protocol.Words(err))
			}
			var app *temporal.ApplicationError
			if !errors.As(f.Of(errors.New("x")), &app) || app.NonRetryable() == again[f] {
				t.Errorf("tried again: %v, want %v", !app.NonRetryable(), again[f])
			}
		})
	}
}

// call runs an activity that ends with an error and returns that as a story would see it.
func call(t *testing.T, f func() error) error {
	t.Helper()
	var suite testsuite.WorkflowTestSuite
	env := suite.NewTestActivityEnvironment()
	a := protocol.Activity[string, string]{Name: "Test"}
	a.Serve(env, func(context.Context, string) (string, error) { return "", f() })
	_, err := env.ExecuteActivity(a.Name, "in")
	if err == nil {
		t.Fatal("the activity succeeded")
	}
	return err
}

// TestErrorThatNamesNoFaultOfOursIsNotTriedAgain: nobody has said that it is safe, and nobody would hear of it.
func TestErrorThatNamesNoFaultOfOursIsNotTriedAgain(t *testing.T) {
	for name, f := range map[string]func() error{
		"a plain error":        func() error { return errors.New("index out of range") },
		"a panic":              func() error { panic("nil map") },
		"someone else's fault": func() error { return temporal.NewApplicationError("x", "their-fault") },
	} {
		err := call(t, f)
		var app *temporal.ApplicationError
		if protocol.FaultOf(err) != protocol.Poison || !errors.As(err, &app) || !app.NonRetryable() {
			t.Errorf("%s: %v", name, err)
		}
	}
	for name, f := range map[string]func() error{
		"called off":  func() error { return context.Canceled },
		"out of time": func() error { return fmt.Errorf("get: %w", context.DeadlineExceeded) },
	} {
		var app *temporal.ApplicationError
		if err := call(t, f); errors.As(err, &app) && app.NonRetryable() {
			t.Errorf("%s: it is never tried again: %v", name, err)
		}
	}
}

func TestDelaysArePartnersOwnButNeverAbsurd(t *testing.T) {
	delay := func(err error) time.Duration {
		var app *temporal.ApplicationError
		if !errors.As(err, &app) {
			t.Fatal(err)
		}
		return app.NextRetryDelay()
	}
	x := errors.New("x")
	for _, tt := range []struct {
		name string
		err  error
		want time.Duration
	}{
		{"left to the policy", protocol.Transient.Of(x), 0},
		{"as asked", protocol.Throttled.After(x, 90*time.Second), 90 * time.Second},
		{"a day is too long", protocol.Throttled.After(x, 24*time.Hour), 15 * time.Minute},
		{"credentials once a minute", protocol.Configuration.Of(x), time.Minute},
		{"credentials as asked", protocol.Configuration.After(x, 2*time.Minute), 2 * time.Minute},
		{"nothing for a refusal", protocol.Rejected.Of(x), 0},
	} {
		if got := delay(tt.err); got != tt.want {
			t.Errorf("%s: %s, want %s", tt.name, got, tt.want)
		}
	}
}

// TestWhatIsWrongForOneComesBackEverLessOften, and after a quarter of an hour at most: who lacks a right may lack it for weeks.
func TestWhatIsWrongForOneComesBackEverLessOften(t *testing.T) {
	var suite testsuite.WorkflowTestSuite
	env := suite.NewTestWorkflowEnvironment()
	var at []time.Time
	protocol.RateShipment.Serve(env, func(context.Context, protocol.RatingRequest) (freight.Rating, error) {
		if at = append(at, env.Now()); len(at) < 8 {
			return freight.Rating{}, protocol.Configuration.Of(errors.New("no right"))
		}
		return freight.Rating{}, nil
	})
	env.ExecuteWorkflow(func(ctx workflow.Context) error {
		return protocol.RateShipment.Start(ctx, protocol.RatingRequest{}, "").Get(ctx, nil)
	})
	if err := env.GetWorkflowError(); err != nil || len(at) != 8 {
		t.Fatal(len(at), err)
	}
	for i, minutes := range []time.Duration{1, 2, 4, 8, 15, 15, 15} {
		if waited := at[i+1].Sub(at[i]); (waited - minutes*time.Minute).Abs() > time.Second {
			t.Errorf("attempt %d came %s after the one before, want %d minutes", i+2, waited, minutes)
		}
	}
}

func TestEveryActivityIsTriedForEverWithinItsPolicy(t *testing.T) {
	var suite testsuite.WorkflowTestSuite
	for name, attempt := range map[string]time.Duration{
		protocol.PostInvoice.Name: 150 * time.Second, protocol.CommitDraft.Name: 150 * time.Second, protocol.TellFinance.Name: 150 * time.Second,
		protocol.UpdateStatus.Name: 45 * time.Second, protocol.RateShipment.Name: 30 * time.Second,
	} {
		env := suite.NewTestWorkflowEnvironment()
		var got workflow.ActivityOptions
		env.ExecuteWorkflow(func(ctx workflow.Context) error {
			got = workflow.GetActivityOptions(optionsOf(ctx, name))
			return nil
		})
		if got.StartToCloseTimeout != attempt || got.ScheduleToCloseTimeout != 0 || got.RetryPolicy.MaximumAttempts != 0 || got.HeartbeatTimeout == 0 || !got.WaitForCancellation || got.TaskQueue == "" {
			t.Errorf("%s: %+v", name, got)
		}
		if got.RetryPolicy.MaximumInterval > time.Minute || got.RetryPolicy.InitialInterval < time.Second {
			t.Errorf("%s: tried again after %s to %s", name, got.RetryPolicy.InitialInterval, got.RetryPolicy.MaximumInterval)
		}
	}
}

func optionsOf(ctx workflow.Context, name string) workflow.Context {
	switch name {
	case protocol.PostInvoice.Name:
		return protocol.PostInvoice.With(ctx, "")
	case protocol.CommitDraft.Name:
		return protocol.CommitDraft.With(ctx, "")
	case protocol.TellFinance.Name:
		return protocol.TellFinance.With(ctx, "")
	case protocol.UpdateStatus.Name:
		return protocol.UpdateStatus.With(ctx, "")
	}
	return protocol.RateShipment.With(ctx, "")
}

func TestIDsHaveInverses(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		id, err := freight.ShipmentIDOf(freight.TenantCode(rapid.StringMatching(`[a-z0-9]{1,20}`).Draw(t, "tenant")), rapid.Int64Range(1, 1<<62).Draw(t, "picking"))
		if err != nil {
			t.Fatal(err)
		}
		if back, ok := protocol.ShipmentOf(protocol.ShipmentWorkflowID(id)); back != id || !ok {
			t.Fatalf("%s came back as %s, %v", id, back, ok)
		}
		d := freight.DisputeIDOf(id, rapid.IntRange(1, 10_000).Draw(t, "n"))
		if back, ok := protocol.DisputeOf(protocol.DisputeWorkflowID(d)); back != d || !ok {
			t.Fatalf("%s came back as %s, %v", d, back, ok)
		}
	})
	for id, want := range map[string]string{"unmatched/tms": "tms", "unmatched/": "", "unmatched/a/b": "", "tms": "", "shipment/acme-7": ""} {
		if source, ok := protocol.UnmatchedOf(id); ok != (want != "") || ok && (source != want || protocol.UnmatchedWorkflowID(source) != id) {
			t.Errorf("%q is source %q, %v", id, source, ok)
		}
	}
	for _, wrong := range []string{"", "shipment/", "shipment/ACME-1", "dispute/acme-7", "acme-7", "shipment/acme-7/1"} {
		if id, ok := protocol.ShipmentOf(wrong); ok {
			t.Errorf("%q is shipment %q", wrong, id)
		}
	}
	for _, wrong := range []string{"", "dispute/", "dispute/acme-7", "dispute/acme-7/", "dispute/acme-7/x", "dispute/acme-7/1/2", "shipment/acme-7"} {
		if id, ok := protocol.DisputeOf(wrong); ok {
			t.Errorf("%q is dispute %q", wrong, id)
		}
	}
}

type checker interface{ Check() error }

func TestMessagesOfAWrongFormAreRefused(t *testing.T) {
	long := strings.Repeat("x", 9000)
	for name, tt := range map[string]struct {
		m    checker
		good bool
	}{
		"batch":                     {protocol.ScanBatch{Scans: make([]freight.Scan, 1)}, true},
		"empty batch":               {protocol.ScanBatch{}, false},
		"resolution":                {protocol.ResolveRequest{Exception: 1, Action: freight.Retry, By: "ann", Reason: "done"}, true},
		"resolution of nothing":     {protocol.ResolveRequest{Action: freight.Retry, By: "ann", Reason: "done"}, false},
		"unknown action":            {protocol.ResolveRequest{Exception: 1, Action: "explode", By: "ann", Reason: "done"}, false},
		"resolution without reason": {protocol.ResolveRequest{Exception: 1, Action: freight.Retry, By: "ann"}, false},
		"long reason":               {protocol.ResolveRequest{Exception: 1, Action: freight.Retry, By: "ann", Reason: long}, false},
		"decision":                  {protocol.SignedDecision{JWS: "a.b.c"}, true},
		"empty decision":            {protocol.SignedDecision{}, false},
		"long decision":             {protocol.SignedDecision{JWS: long}, false},
		"settlement":                {protocol.Settlement{Dispute: "acme-7/1", JWS: "a.b.c"}, true},
		"withdrawal":                {protocol.Settlement{Dispute: "acme-7/1"}, true},
		"settlement of nothing":     {protocol.Settlement{JWS: "a.b.c"}, false},
		"long settlement":           {protocol.Settlement{Dispute: "acme-7/1", JWS: long}, false},
		"placing":                   {placing(freight.Assign, "acme-7"), true},
		"placing with no shipment":  {placing(freight.Assign, ""), false},
		"discarding":                {placing(freight.Discard, ""), true},
		"discarding to a shipment":  {placing(freight.Discard, "acme-7"), false},
		"placing otherwise":         {placing(freight.Retry, "acme-7"), false},
		"placing by nobody":         {freight.PlaceRequest{ID: "q", Action: freight.Discard, Source: "tms", Reference: "P1", Reason: "r"}, false},
		"placing of a long one":     {freight.PlaceRequest{ID: "q", Action: freight.Discard, Source: "tms", Reference: long, By: "ann", Reason: "r"}, false},
		"wish to cancel":            {freight.CancelRequest{By: "ann", Reason: "withdrawn"}, true},
		"nobody's wish":             {freight.CancelRequest{}, false},
	} {
		if err := tt.m.Check(); (err == nil) != tt.good {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func placing(a freight.Action, id freight.ShipmentID) freight.PlaceRequest {
	return freight.PlaceRequest{ID: "q", Action: a, Source: "tms", Reference: "P1", Shipment: id, By: "ann", Reason: "asked the carrier"}
}

// TestTextsForTheUIAreCutWhereTemporalWouldFailTheTask at a character's end.
func TestTextsForTheUIAreCutWhereTemporalWouldFailTheTask(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := strings.Repeat(rapid.String().Draw(t, "text"), rapid.IntRange(1, 500).Draw(t, "times"))
		var page protocol.Page
		for range rapid.IntRange(0, 50).Draw(t, "n") {
			page.Say("%s", text)
		}
		for limit, got := range map[int]string{400: protocol.Summary(text), 20_000: page.String(), 1000: protocol.Line(text), 255: protocol.Code(text)} {
			if len(got) > limit || !utf8.ValidString(got) || strings.Contains(protocol.Line(text), "\n") {
				t.Fatalf("%d bytes, limit %d", len(got), limit)
			}
		}
	})
}

func TestShipmentIsStartedOnceAndShowsItsFirstDeadline(t *testing.T) {
	now := time.Now()
	in := protocol.ShipmentInput{ID: "acme-7", Picking: 7, Terms: &freight.Terms{Clocks: freight.Clocks{Accept: 4 * time.Hour, Deliver: 48 * time.Hour}}}
	o := protocol.ShipmentStart(in, freight.CustomerCode(strings.Repeat("C", 300)), strings.Repeat("S", 500))
	at, ok := o.TypedSearchAttributes.GetTime(protocol.DeadlineAttribute)
	if !ok || at.Sub(now.Add(4*time.Hour)).Abs() > time.Minute || o.WorkflowIDReusePolicy != enumspb.WORKFLOW_ID_REUSE_POLICY_REJECT_DUPLICATE || o.ID != "shipment/acme-7" {
		t.Errorf("deadline %s, options %+v", at, o)
	}
	if c, _ := o.TypedSearchAttributes.GetKeyword(protocol.CustomerAttribute); len(c) > 255 || len(o.StaticSummary) > 400 {
		t.Errorf("customer of %d bytes, summary of %d", len(c), len(o.StaticSummary))
	}
}
