// Package cluster is how a process reaches Temporal: its own environment and profile file, our codec, and the
// search attributes a namespace must have.
package cluster

import (
	"context"
	"errors"
	"fmt"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	namespacepb "go.temporal.io/api/namespace/v1"
	"go.temporal.io/api/operatorservice/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/contrib/envconfig"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/log"
	"go.temporal.io/sdk/temporal"
	"google.golang.org/protobuf/types/known/durationpb"

	"waybill/workflows/protocol"
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

// attributes are the search attributes that the stories set.
func attributes() map[string]enumspb.IndexedValueType {
	return map[string]enumspb.IndexedValueType{
		protocol.StageAttribute.GetName():      enumspb.INDEXED_VALUE_TYPE_KEYWORD,
		protocol.CustomerAttribute.GetName():   enumspb.INDEXED_VALUE_TYPE_KEYWORD,
		protocol.CarrierAttribute.GetName():    enumspb.INDEXED_VALUE_TYPE_KEYWORD,
		protocol.ExceptionsAttribute.GetName(): enumspb.INDEXED_VALUE_TYPE_KEYWORD_LIST,
		protocol.DeadlineAttribute.GetName():   enumspb.INDEXED_VALUE_TYPE_DATETIME,
	}
}

// Setup registers what the stories need in the namespace, and waits until a story could use it. An attribute
// that is not registered would wedge every task of every shipment.
func Setup(ctx context.Context, c client.Client, namespace string, retention time.Duration) error {
	var already *serviceerror.AlreadyExists
	_, err := c.OperatorService().AddSearchAttributes(ctx, &operatorservice.AddSearchAttributesRequest{Namespace: namespace, SearchAttributes: attributes()})
	if err != nil && !errors.As(err, &already) {
		return fmt.Errorf("temporal: register search attributes: %w", err)
	}
	_, err = c.WorkflowService().UpdateNamespace(ctx, &workflowservice.UpdateNamespaceRequest{Namespace: namespace, Config: &namespacepb.NamespaceConfig{WorkflowExecutionRetentionTtl: durationpb.New(retention)}})
	if err != nil {
		return fmt.Errorf("temporal: set retention: %w", err)
	}
	for {
		missing, err := Missing(ctx, c, namespace)
		if err == nil && len(missing) == 0 {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("temporal: search attributes %v do not appear: %w", missing, errors.Join(err, ctx.Err()))
		case <-time.After(200 * time.Millisecond):
		}
	}
}

// Missing names the search attributes that the namespace lacks.
func Missing(ctx context.Context, c client.Client, namespace string) (names []string, err error) {
	have, err := c.OperatorService().ListSearchAttributes(ctx, &operatorservice.ListSearchAttributesRequest{Namespace: namespace})
	if err != nil {
		return nil, fmt.Errorf("temporal: list search attributes: %w", err)
	}
	for name, kind := range attributes() {
		if have.GetCustomAttributes()[name] != kind {
			names = append(names, name)
		}
	}
	return names, nil
}
