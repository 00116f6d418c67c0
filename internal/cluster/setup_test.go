package cluster_test

import (
	"context"
	"path/filepath"
	"strings"
	"testing"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/operatorservice/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"

	"waybill/internal/cluster"
	"waybill/internal/cluster/clustertest"
	"waybill/workflows/freight"
	"waybill/workflows/protocol"
)

func setup(t *testing.T, c client.Client, retention time.Duration) error {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	return cluster.Setup(ctx, c, cluster.Namespace(), retention)
}

func register(t *testing.T, c client.Client, name string, kind enumspb.IndexedValueType) {
	t.Helper()
	_, err := c.OperatorService().AddSearchAttributes(t.Context(), &operatorservice.AddSearchAttributesRequest{Namespace: "default", SearchAttributes: map[string]enumspb.IndexedValueType{name: kind}})
	if err != nil {
		t.Fatal(err)
	}
}

func TestSetupMakesABareNamespaceFitForShipments(t *testing.T) {
	c := clustertest.Start(t)
	register(t, c, protocol.CarrierAttribute.GetName(), enumspb.INDEXED_VALUE_TYPE_KEYWORD) // an earlier setup was cut short
	lacks := strings.Join(cluster.Check(t.Context(), c, "default"), "\n")
	for _, name := range []string{"ShipmentStage", "CustomerCode", "ExceptionKinds", "NextDeadline"} {
		if !strings.Contains(lacks, "search attribute "+name+" in namespace default: run waybill-admin temporal setup") {
			t.Errorf("%s is missing, and not said; said:\n%s", name, lacks)
		}
	}
	if !strings.Contains(lacks, "retention of namespace default is 24h0m0s") || strings.Contains(lacks, "CarrierCode") {
		t.Errorf("said:\n%s", lacks)
	}
	for range 2 { // it may be run again
		if err := setup(t, c, 240*time.Hour); err != nil {
			t.Fatal(err)
		}
	}
	if lacks := cluster.Check(t.Context(), c, "default"); len(lacks) > 0 {
		t.Errorf("after setup it still lacks %v", lacks)
	}
	d, err := c.WorkflowService().DescribeNamespace(t.Context(), &workflowservice.DescribeNamespaceRequest{Namespace: "default"})
	if err != nil || d.GetConfig().GetWorkflowExecutionRetentionTtl().AsDuration() != 240*time.Hour {
		t.Errorf("retention %v, %v", d.GetConfig().GetWorkflowExecutionRetentionTtl(), err)
	}
	// A shipment can be started with all of them at once, and be found by them.
	start := protocol.ShipmentStart(protocol.ShipmentInput{ID: "acme-7"}, "ACME", "S7")
	start.TypedSearchAttributes = temporal.NewSearchAttributes(
		protocol.StageAttribute.ValueSet("transit"), protocol.CustomerAttribute.ValueSet("ACME"), protocol.CarrierAttribute.ValueSet("FASTFRT"),
		protocol.ExceptionsAttribute.ValueSet([]string{string(freight.PODMissing)}), protocol.PromiseAttribute.ValueSet(string(freight.Unknown)), protocol.DeadlineAttribute.ValueSet(time.Now()))
	if _, err := c.ExecuteWorkflow(t.Context(), start, protocol.Shipment.Name, protocol.ShipmentInput{}); err != nil {
		t.Error(err)
	}
}

func TestAnAttributeOfAnotherTypeIsNamedAndSetupDoesNotWaitForEver(t *testing.T) {
	c := clustertest.Start(t)
	register(t, c, protocol.DeadlineAttribute.GetName(), enumspb.INDEXED_VALUE_TYPE_KEYWORD)
	want := "search attribute NextDeadline in namespace default is a Keyword, not a Datetime: remove it"
	if lacks := strings.Join(cluster.Check(t.Context(), c, "default"), "\n"); !strings.Contains(lacks, want) {
		t.Errorf("said:\n%s\nwant %s", lacks, want)
	}
	if err := setup(t, c, cluster.Retention); err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("%v", err)
	}
}

func TestANamespaceThatIsNotThereIsSaidOnceWithHowToMakeIt(t *testing.T) {
	c := clustertest.Start(t)
	lacks, err := cluster.Lacks(t.Context(), c, "acme")
	if err != nil {
		t.Error(err)
	}
	for name, lacks := range map[string][]string{"Check": cluster.Check(t.Context(), c, "acme"), "Lacks": lacks} {
		if len(lacks) != 1 || !strings.Contains(lacks[0], "temporal operator namespace create -n acme") {
			t.Errorf("%s: %v", name, lacks)
		}
	}
	if err := cluster.Setup(t.Context(), c, "acme", cluster.Retention); err == nil || !strings.Contains(err.Error(), "acme") {
		t.Errorf("setup: %v", err)
	}
}

func TestShortRetentionIsNothingAWorkerStopsFor(t *testing.T) {
	c := clustertest.Start(t)
	if err := setup(t, c, 48*time.Hour); err != nil {
		t.Fatal(err)
	}
	if lacks, err := cluster.Lacks(t.Context(), c, "default"); len(lacks) > 0 || err != nil {
		t.Errorf("%v, %v", lacks, err)
	}
	if lacks := cluster.Check(t.Context(), c, "default"); len(lacks) != 1 || !strings.Contains(lacks[0], "--retention 720h") {
		t.Errorf("%v", lacks)
	}
}

func TestDialSaysWhichAddressAndNamespaceWereTriedAndHowToSetThem(t *testing.T) {
	t.Setenv("TEMPORAL_ADDRESS", "127.0.0.1:1")
	t.Setenv("TEMPORAL_NAMESPACE", "acme")
	_, err := cluster.Dial(t.Context(), cluster.Options{})
	if err == nil || !strings.Contains(err.Error(), "127.0.0.1:1") || !strings.Contains(err.Error(), `"acme"`) || !strings.Contains(err.Error(), "set TEMPORAL_ADDRESS and TEMPORAL_NAMESPACE") {
		t.Errorf("%v", err)
	}
	if _, err := cluster.Dial(t.Context(), cluster.Options{CodecKeyFile: filepath.Join(t.TempDir(), "none")}); err == nil || !strings.Contains(err.Error(), "codec keys") {
		t.Errorf("%v", err)
	}
}
