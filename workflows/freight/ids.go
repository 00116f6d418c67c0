package freight

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

// ShipmentID names a shipment everywhere: in Temporal, the store, the TMS and Odoo. It is made by
// ShipmentIDOf, holds lower-case letters, digits and '-', at most 60 bytes, and no personal data.
type ShipmentID string

// TenantCode names one company served by a deployment: 1 to 20 lower-case letters and digits.
type TenantCode string

// CustomerCode is the customer's reference in Odoo (res.partner.ref), never the name.
type CustomerCode string

// CarrierCode is a carrier's SCAC or the code agreed with it, upper case.
type CarrierCode string

var (
	tenantForm   = regexp.MustCompile(`^[a-z0-9]{1,20}$`)
	shipmentForm = regexp.MustCompile(`^[a-z0-9]{1,20}-[0-9a-z]{1,39}$`)
)

// ShipmentIDOf is the id of the shipment of one Odoo delivery: tenant "acme", picking 1042 -> "acme-1042".
// It is a fact of the business, so starting the same delivery twice meets the same id.
func ShipmentIDOf(tenant TenantCode, picking int64) (ShipmentID, error) {
	if !tenantForm.MatchString(string(tenant)) || picking <= 0 {
		return "", fmt.Errorf("shipment id of tenant %q, picking %d: want 1-20 lower-case letters or digits and a positive picking id", tenant, picking)
	}
	return ShipmentID(string(tenant) + "-" + strconv.FormatInt(picking, 10)), nil
}

// Parts is the inverse of ShipmentIDOf; ok is false for an id it did not make.
func (id ShipmentID) Parts() (tenant TenantCode, picking int64, ok bool) {
	t, p, found := strings.Cut(string(id), "-")
	n, err := strconv.ParseInt(p, 10, 64)
	if !found || err != nil || n <= 0 || !tenantForm.MatchString(t) {
		return "", 0, false
	}
	return TenantCode(t), n, true
}

// Valid reports whether id has the form of a shipment id.
func (id ShipmentID) Valid() bool { return shipmentForm.MatchString(string(id)) }
