package cluster

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	namespacepb "go.temporal.io/api/namespace/v1"
	"go.temporal.io/api/operatorservice/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	"google.golang.org/protobuf/types/known/durationpb"

	"waybill/workflows/protocol"
)

// attributes are the search attributes that the stories set.
func attributes() map[string]enumspb.IndexedValueType {
	return map[string]enumspb.IndexedValueType{
		protocol.StageAttribute.GetName():      enumspb.INDEXED_VALUE_TYPE_KEYWORD,
		protocol.CustomerAttribute.GetName():   enumspb.INDEXED_VALUE_TYPE_KEYWORD,
		protocol.CarrierAttribute.GetName():    enumspb.INDEXED_VALUE_TYPE_KEYWORD,
		protocol.ExceptionsAttribute.GetName(): enumspb.INDEXED_VALUE_TYPE_KEYWORD_LIST,
		protocol.PromiseAttribute.GetName():    enumspb.INDEXED_VALUE_TYPE_KEYWORD,
		protocol.DeadlineAttribute.GetName():   enumspb.INDEXED_VALUE_TYPE_DATETIME,
	}
}

const (
	// Retention is how long a closed shipment stays to be looked at, where nothing else is asked for: a month.
	Retention = 30 * 24 * time.Hour
	// leastRetention is what Check wants: partners repeat deliveries for days, and within it an id is not started twice.
	leastRetention = 7 * 24 * time.Hour
	// lookEvery is how soon what was registered is noticed.
	lookEvery = 200 * time.Millisecond
)

// Setup registers what the stories need in the namespace, sets how long closed ones are kept, and waits until a
// story could use it. An attribute that is not registered would wedge every task of every shipment. It may be run
// again.
func Setup(ctx context.Context, c client.Client, namespace string, retention time.Duration) error {
	missing, other, err := compare(ctx, c, namespace)
	if err != nil {
		return err
	}
	if len(other) > 0 {
		return errors.New(strings.Join(other, "; "))
	}
	if err := register(ctx, c, namespace, missing); err != nil {
		return err
	}
	_, err = c.WorkflowService().UpdateNamespace(ctx, &workflowservice.UpdateNamespaceRequest{Namespace: namespace, Config: &namespacepb.NamespaceConfig{WorkflowExecutionRetentionTtl: durationpb.New(retention)}})
	if err != nil {
		return fmt.Errorf("temporal: set retention of namespace %s to %s: %w", namespace, retention, err)
	}
	return await(ctx, c, namespace)
}

func register(ctx context.Context, c client.Client, namespace string, names []string) error {
	wanted := map[string]enumspb.IndexedValueType{}
	for _, n := range names {
		wanted[n] = attributes()[n]
	}
	if len(wanted) == 0 {
		return nil
	}
	_, err := c.OperatorService().AddSearchAttributes(ctx, &operatorservice.AddSearchAttributesRequest{Namespace: namespace, SearchAttributes: wanted})
	var already *serviceerror.AlreadyExists
	if err == nil || errors.As(err, &already) { // another setup ran at the same time
		return nil
	}
	var kinds []string
	for _, n := range slices.Sorted(maps.Keys(wanted)) {
		kinds = append(kinds, n+" ("+wanted[n].String()+")")
	}
	return fmt.Errorf("temporal: register search attributes in namespace %s: %w; in Temporal Cloud add them by its console or tcld: %s", namespace, err, strings.Join(kinds, ", "))
}

// await waits until the attributes are there, and can be searched by.
func await(ctx context.Context, c client.Client, namespace string) error {
	for {
		missing, _, err := compare(ctx, c, namespace)
		if err == nil && len(missing) == 0 {
			if err = searchable(ctx, c, namespace); err == nil {
				return nil
			}
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("temporal: search attributes do not appear in namespace %s, missing %v: %w; run it again", namespace, missing, errors.Join(err, ctx.Err()))
		case <-time.After(lookEvery):
		}
	}
}

func searchable(ctx context.Context, c client.Client, namespace string) error {
	var terms []string
	for name := range attributes() {
		terms = append(terms, name+" IS NULL")
	}
	_, err := c.CountWorkflow(ctx, &workflowservice.CountWorkflowExecutionsRequest{Namespace: namespace, Query: strings.Join(terms, " AND ")})
	return err
}

// compare names the search attributes that the namespace lacks, and says which are there as something else.
func compare(ctx context.Context, c client.Client, namespace string) (missing, other []string, err error) {
	have, err := c.OperatorService().ListSearchAttributes(ctx, &operatorservice.ListSearchAttributesRequest{Namespace: namespace})
	if err != nil {
		return nil, nil, fmt.Errorf("temporal: list search attributes of namespace %s: %w", namespace, err)
	}
	for name, kind := range attributes() {
		switch there, ok := have.GetCustomAttributes()[name]; {
		case !ok:
			missing = append(missing, name)
		case there != kind:
			other = append(other, fmt.Sprintf("search attribute %s in namespace %s is a %s, not a %s: remove it with temporal operator search-attribute remove, or use a namespace of its own", name, namespace, there, kind))
		}
	}
	slices.Sort(missing)
	slices.Sort(other)
	return missing, other, nil
}

// Lacks names what the stories cannot run without in a namespace, each with what to do; none for nothing. Err is
// for what could not be found out.
func Lacks(ctx context.Context, c client.Client, namespace string) (lacks []string, err error) {
	missing, lacks, err := compare(ctx, c, namespace)
	if unknown(err) {
		return []string{fmt.Sprintf("namespace %s in Temporal: create it with temporal operator namespace create -n %[1]s, or set TEMPORAL_NAMESPACE", namespace)}, nil
	}
	for _, n := range missing {
		lacks = append(lacks, fmt.Sprintf("search attribute %s in namespace %s: run waybill-admin temporal setup", n, namespace))
	}
	return lacks, err
}

func unknown(err error) bool {
	var e *serviceerror.NamespaceNotFound
	return errors.As(err, &e)
}

// Check names all that Setup would make or mend in a namespace, each with what to do; none for nothing.
func Check(ctx context.Context, c client.Client, namespace string) []string {
	lacks, err := Lacks(ctx, c, namespace)
	if err != nil {
		lacks = append(lacks, err.Error())
	}
	d, err := c.WorkflowService().DescribeNamespace(ctx, &workflowservice.DescribeNamespaceRequest{Namespace: namespace})
	kept := d.GetConfig().GetWorkflowExecutionRetentionTtl().AsDuration()
	switch {
	case unknown(err): // said by Lacks
	case err != nil:
		lacks = append(lacks, fmt.Sprintf("temporal: describe namespace %s: %v", namespace, err))
	case kept < leastRetention:
		lacks = append(lacks, fmt.Sprintf("retention of namespace %s is %s, closed shipments vanish after it: run waybill-admin temporal setup --retention %s", namespace, kept, Retention))
	}
	return lacks
}
