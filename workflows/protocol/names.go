package protocol

import (
	"strconv"
	"strings"

	"go.temporal.io/sdk/temporal"

	"waybill/workflows/freight"
)

// The task queues: one for the stories, one for each outside system, so that each has its own rate, cap and
// breaker, and status never waits behind money.
const (
	QueueStories = "waybill"
	QueueStatus  = "odoo-status"
	QueuePost    = "odoo-post"
	QueueBilling = "billing"
	QueueTMS     = "tms"
	QueueWMS     = "wms"
	QueueFinance = "finance"
	QueueRecord  = "record"
)

// The search attributes. They are stored in the clear, so they hold codes only.
var (
	StageAttribute      = temporal.NewSearchAttributeKeyKeyword("ShipmentStage")
	CustomerAttribute   = temporal.NewSearchAttributeKeyKeyword("CustomerCode")
	CarrierAttribute    = temporal.NewSearchAttributeKeyKeyword("CarrierCode")
	ExceptionsAttribute = temporal.NewSearchAttributeKeyKeywordList("ExceptionKinds")
	PromiseAttribute    = temporal.NewSearchAttributeKeyKeyword("PromiseState")
	DeadlineAttribute   = temporal.NewSearchAttributeKeyTime("NextDeadline")
)

// longestCode is what every visibility store keeps of a keyword.
const longestCode = 200

// Code is a code as a search attribute holds it: cut, since one that is too long fails the task that sets it.
func Code[T ~string](c T) string { return freight.Clip(string(c), longestCode) }

// ShipmentWorkflowID is "shipment/acme-1042".
func ShipmentWorkflowID(id freight.ShipmentID) string { return "shipment/" + string(id) }

// ShipmentOf is the inverse of ShipmentWorkflowID.
func ShipmentOf(workflowID string) (freight.ShipmentID, bool) {
	id, ok := strings.CutPrefix(workflowID, "shipment/")
	return freight.ShipmentID(id), ok && freight.ShipmentID(id).Valid()
}

// DisputeWorkflowID is "dispute/acme-1042/1".
func DisputeWorkflowID(id freight.DisputeID) string { return "dispute/" + string(id) }

// DisputeOf is the inverse of DisputeWorkflowID.
func DisputeOf(workflowID string) (freight.DisputeID, bool) {
	id, ok := strings.CutPrefix(workflowID, "dispute/")
	shipment, n, cut := strings.Cut(id, "/")
	_, err := strconv.ParseUint(n, 10, 31)
	return freight.DisputeID(id), ok && cut && err == nil && freight.ShipmentID(shipment).Valid()
}

// UnmatchedWorkflowID is "unmatched/tms", of a source.
func UnmatchedWorkflowID(source string) string { return "unmatched/" + source }

// UnmatchedOf is the inverse of UnmatchedWorkflowID.
func UnmatchedOf(workflowID string) (source string, ok bool) {
	source, ok = strings.CutPrefix(workflowID, "unmatched/")
	return source, ok && source != "" && !strings.Contains(source, "/")
}

// StoreMarkID is "store/acme": what holds the mark of a tenant's store in Temporal.
func StoreMarkID(tenant freight.TenantCode) string { return "store/" + string(tenant) }
