// Package cluster is how a process reaches Temporal: its own environment and profile file, our codec, and the
// search attributes a namespace must have.
package cluster

import (
	"context"
	"fmt"
	"time"

	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/contrib/envconfig"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/log"
	"go.temporal.io/sdk/temporal"
)

// Options are what a connection has beside Temporal's own settings.
type Options struct {
	Logger       log.Logger
	Metrics      client.MetricsHandler
	CodecKeyFile string // "" leaves payloads in the clear
}

// dialWithin bounds how long a process waits for Temporal at its start.
const dialWithin = 10 * time.Second

// Dial connects to Temporal.
func Dial(ctx context.Context, o Options) (client.Client, error) {
	co, err := clientOptions(o)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, dialWithin)
	defer cancel()
	c, err := client.DialContext(ctx, co)
	if err != nil {
		return nil, fmt.Errorf("temporal at %s, namespace %q: %w; set TEMPORAL_ADDRESS and TEMPORAL_NAMESPACE, or a profile file", orLocal(co.HostPort), co.Namespace, err)
	}
	return c, nil
}

func orLocal(address string) string {
	if address == "" {
		return "localhost:7233"
	}
	return address
}

func clientOptions(o Options) (client.Options, error) {
	co, err := envconfig.LoadDefaultClientOptions()
	if err != nil {
		return co, fmt.Errorf("temporal settings: %w", err)
	}
	if co.Namespace == "" {
		co.Namespace = client.DefaultNamespace
	}
	co.Logger, co.MetricsHandler = o.Logger, o.Metrics
	// Our messages are a few kB, and encrypted ones do not compress: what gzip, the SDK's default, saves on the wire
	// costs more than a tenth of a worker's CPU.
	co.ConnectionOptions.GrpcCompression = &client.GrpcCompressionNone{}
	if o.CodecKeyFile == "" {
		return co, nil
	}
	codec, err := LoadCodec(o.CodecKeyFile, co.Namespace)
	if err != nil {
		return co, err
	}
	co.DataConverter = converter.NewCodecDataConverter(converter.GetDefaultDataConverter(), codec)
	co.FailureConverter = temporal.NewDefaultFailureConverter(temporal.DefaultFailureConverterOptions{DataConverter: co.DataConverter, EncodeCommonAttributes: true})
	return co, nil
}

// Namespace is the namespace that Temporal's own settings name.
func Namespace() string {
	co, err := envconfig.LoadDefaultClientOptions()
	if err != nil || co.Namespace == "" {
		return client.DefaultNamespace
	}
	return co.Namespace
}
