package main

import (
	"slices"
	"testing"

	"waybill/config"
	"waybill/internal/console"
	"waybill/internal/console/consoletest"
)

func TestEveryIntegrationIsListedWithWhoAnswersForIt(t *testing.T) {
	d := newDesk(t, "http://127.0.0.1:1")
	d.config = d.write("all.yaml", `odoo: {url: "https://odoo.example.com", owner: erp team, contact: erp@example.com}
billing: {url: "https://billing.example.com/api", token: t0ken, owner: billing team, contact: billing@example.com}
tms: {url: "https://tms.example.com", token: t0ken}
finance: {url: "https://finance.example.com", token: t0ken, owner: finance team, contact: finance@example.com}
targets: [{name: basel, kind: wms, url: "https://basel.example.com", token: t0ken, owner: warehouse team, contact: basel@example.com}]
subscribers: [{name: portal, url: "https://user:pw1234@portal.example.com/hooks?key=k1234", secrets: [x], owner: web team, contact: web@example.com}]
pull: [{source: parcels, token: t0ken}]
tenders: [{source: tms}]
bridge: {sources: [{name: parcels, owner: parcel team, contact: parcels@example.com, connector: easypost}, {name: tms, owner: transport team, contact: transport@example.com, secrets: [x]}]}
`)
	var got [][5]string
	for _, i := range consoletest.FromJSON[[]config.Integration](t, d.want(console.Done, "", "", "--json", "integrations")) {
		got = append(got, [5]string{i.Kind, i.Name, i.Through, i.Owner, i.Contact})
	}
	want := [][5]string{
		{"source", "parcels", "connector easypost, asked about shipments", "parcel team", "parcels@example.com"},
		{"source", "tms", "our own events, asked about tenders", "transport team", "transport@example.com"},
		{"odoo", "default", "https://odoo.example.com", "erp team", "erp@example.com"},
		{"billing", "default", "https://billing.example.com", "billing team", "billing@example.com"},
		{"tms", "default", "https://tms.example.com", "", ""},
		{"finance", "default", "https://finance.example.com", "finance team", "finance@example.com"},
		{"wms", "basel", "https://basel.example.com", "warehouse team", "basel@example.com"},
		{"subscriber", "portal", "https://portal.example.com", "web team", "web@example.com"},
	}
	if !slices.Equal(got, want) {
		t.Errorf("%q", got)
	}
	d.want(console.Done, "warehouse team", "1 have no owner", "integrations")
	d.config = d.write("typo.yaml", "stoer: {url: x}\n")
	d.want(console.Failed, "", "stoer: there is no such key", "integrations")
}
