// Package historytest runs stories on a real Temporal server, records their histories, and replays recorded ones. It
// is for tests: a history that no longer replays is a shipment under way that would stop.
package historytest

import (
	"context"
	"io"
	"testing"
	"time"

	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/converter"
	sdklog "go.temporal.io/sdk/log"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/testsuite"

	"waybill/internal/cluster"
	"waybill/workflows/protocol"
)

// Server starts a Temporal server with our search attributes, and ends it with the test. The settings are the
// server's own, "key=value".
func Server(t *testing.T, dc converter.DataConverter, settings ...string) client.Client {
	t.Helper()
	cli, err := cluster.FindCLI()
	if err != nil {
		t.Skip(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	o := client.Options{DataConverter: dc, Logger: silent{}}
	if dc != nil {
		o.FailureConverter = Failures(dc)
	}
	var args []string
	for _, s := range settings {
		args = append(args, "--dynamic-config-value", s)
	}
	srv, err := testsuite.StartDevServer(ctx, testsuite.DevServerOptions{
		ExistingPath: cli, LogLevel: "never", ClientOptions: &o, ExtraArgs: args, Stdout: io.Discard, Stderr: io.Discard,
		SearchAttributes: temporal.NewSearchAttributes(
			protocol.StageAttribute.ValueSet(""), protocol.CustomerAttribute.ValueSet(""), protocol.CarrierAttribute.ValueSet(""),
			protocol.ExceptionsAttribute.ValueSet(nil), protocol.PromiseAttribute.ValueSet(""), protocol.DeadlineAttribute.ValueSet(time.Now())),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = srv.Stop() })
	return srv.Client()
}

// Sealed is a data converter that encrypts as a deployment with a key ring does.
func Sealed(t *testing.T, keyring string) converter.DataConverter {
	t.Helper()
	codec, err := cluster.LoadCodec(keyring, client.DefaultNamespace)
	if err != nil {
		t.Fatal(err)
	}
	return converter.NewCodecDataConverter(converter.GetDefaultDataConverter(), codec)
}

// Failures encrypts what errors say, as well.
func Failures(dc converter.DataConverter) converter.FailureConverter {
	return temporal.NewDefaultFailureConverter(temporal.DefaultFailureConverterOptions{DataConverter: dc, EncodeCommonAttributes: true})
}

// silent keeps the SDK's log out of the tests' output.
type silent struct{}

var _ sdklog.Logger = silent{}

func (silent) Debug(string, ...any) {}
func (silent) Info(string, ...any)  {}
func (silent) Warn(string, ...any)  {}
func (silent) Error(string, ...any) {}
