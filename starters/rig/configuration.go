package rig

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"text/template"
	"time"

	"waybill/internal/approval"
	"waybill/internal/partner/partnertest"
	"waybill/workflows/freight"
)

// lines are what goes into the configuration of the processes.
type lines struct {
	Tenant                               freight.TenantCode
	StoreURL, OdooURL, DB, Login, Since  string
	Billing, TMS, Finance, Public, Relay string
	Dir, Quiet, Proof, Charges, More     string
	Look                                 time.Duration
	Sources                              []string // beside those that are always there

	password string
}

var policies = template.Must(template.New("policies").Parse(`version: "demo-1"
owner: demo
default: &terms
  contract: ACME-2026
  currency: USD
  scope: goods_and_freight
  pod: document
  need_carrier_invoice: true
  charges_window: {{.Charges}}
  tolerance_amount: 5.00 USD
  tolerance_percent: "2"
  clocks: {accept: 24h, deliver: 120h, pod: {{.Proof}}, dispute: 72h, payment: 720h, quiet: {{.Quiet}}}
customers:
  - {customer: BOLT, contract: BOLT-2026, currency: USD, scope: freight, pod: signature, need_carrier_invoice: true, charges_window: {{.Charges}}, tolerance_amount: 5.00 USD, tolerance_percent: "2", clocks: {accept: 24h, deliver: 120h, pod: {{.Proof}}, dispute: 72h, payment: 720h, quiet: {{.Quiet}}}}
`))

var configuration = template.Must(template.New("configuration").Parse(`tenant: {{.Tenant}}
store: {url: "{{.StoreURL}}", mark_every: 1s}
odoo:
  url: {{.OdooURL}}
  db: {{.DB}}
  status: {login: "{{.Login}}", password: "env:DEMO_ODOO_PASSWORD"}
  money: {login: "{{.Login}}", password: "env:DEMO_ODOO_PASSWORD"}
  released_since: "{{.Since}}"
  scan_every: {{.Look}}
billing: {url: "{{.Billing}}", token: "env:DEMO_PARTNER_TOKEN"}
tms: {url: "{{.TMS}}", token: "env:DEMO_PARTNER_TOKEN"}
finance: {url: "{{.Finance}}", token: "env:DEMO_PARTNER_TOKEN"}
bridge:
  listen: 127.0.0.1:8480
  sources:
    - {name: tms, owner: demo, secrets: ["env:DEMO_TMS_SECRET"]}
    - {name: carrier, owner: demo, secrets: ["env:DEMO_CARRIER_SECRET"], documents: true}
{{range .Sources}}    - {{.}}
{{end}}relay: {{.Relay}}
queues: [{name: odoo-post, per_second: 0, concurrency: 2}] # nobody's pages wait for what is posted
policies: {file: "{{.Dir}}/policies.yaml"}
approvers: [{id: ann, name: Ann, public_key: "{{.Public}}", limit: 500.00 USD, cumulative: 1000000.00 USD}]
{{.More}}
`))

// Sources are the partners' ways in.
func Sources() []string { return []string{"tms", "carrier"} }

func (h *House) writeConfig(context.Context) error {
	key, err := approval.NewKey("ann")
	if err != nil {
		return err
	}
	keyFile := filepath.Join(h.Dir, "ann.key")
	if err := key.Save(keyFile); err != nil {
		return err
	}
	c := &h.lines
	h.Tenant = h.tenant()
	c.Tenant, c.Public, c.Dir = h.Tenant, key.Public(), h.Dir
	c.Quiet, c.Relay, c.StoreURL = or(h.o.Quiet, 2*time.Second).String(), or(h.o.Relay, "{idle: 100ms, gather: 300ms}"), or(h.o.Store, "sqlite:"+filepath.Join(h.Dir, "waybill.db"))
	c.Look = or(h.o.Look, time.Second)
	c.Proof, c.Charges = or(h.o.Late, 48*time.Hour).String(), or(h.o.Late, 336*time.Hour).String()
	c.Sources, c.More = h.o.Sources, h.o.More
	c.Since = time.Now().Add(-5 * time.Second).UTC().Format(time.RFC3339) // Odoo keeps seconds
	file := filepath.Join(h.Dir, "waybill.yaml")
	h.env = append(h.env, "DEMO_ODOO_PASSWORD="+c.password, "DEMO_PARTNER_TOKEN="+partnertest.Token, "WAYBILL_CONFIG="+file, "WAYBILL_APPROVER_KEY="+keyFile)
	if err := h.makeSecrets(); err != nil {
		return err
	}
	if err := fill(configuration, c, file); err != nil {
		return err
	}
	return fill(policies, c, filepath.Join(h.Dir, "policies.yaml"))
}

func or[T comparable](v, otherwise T) T {
	var zero T
	if v == zero {
		return otherwise
	}
	return v
}

func (h *House) makeSecrets() error {
	for _, source := range Sources() {
		b := make([]byte, 32)
		if _, err := rand.Read(b); err != nil {
			return err
		}
		h.Secrets[source] = "whsec_" + base64.StdEncoding.EncodeToString(b)
		h.env = append(h.env, "DEMO_"+strings.ToUpper(source)+"_SECRET="+h.Secrets[source])
	}
	return nil
}

func fill(t *template.Template, with any, file string) error {
	f, err := os.OpenFile(file, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }()
	return t.Execute(f, with)
}

// tenant keeps one run's shipments apart from another's on a Temporal that lasts.
func (h *House) tenant() freight.TenantCode {
	if h.Dev != nil {
		return "demo"
	}
	return freight.TenantCode(fmt.Sprintf("demo%x", time.Now().Unix()&0xffffff))
}
