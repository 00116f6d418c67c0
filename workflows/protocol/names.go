package protocol

import (
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
	QueueFinance = "finance"
	QueueRecord  = "record"
)

// The search attributes. They are stored in the clear, so they hold codes only.
var (
	StageAttribute      = temporal.NewSearchAttributeKeyKeyword("ShipmentStage")
	CustomerAttribute   = temporal.NewSearchAttributeKeyKeyword("CustomerCode")
	CarrierAttribute    = temporal.NewSearchAttributeKeyKeyword("CarrierCode")
	ExceptionsAttribute = temporal.NewSearchAttributeKeyKeywordList("ExceptionKinds")
	DeadlineAttribute   = temporal.NewSearchAttributeKeyTime("NextDeadline")
)

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
	return freight.DisputeID(id), ok
}
