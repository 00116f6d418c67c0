package main

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"
	"go.uber.org/zap"

	"waybill/activities/billing"
	"waybill/activities/finance"
	"waybill/activities/tms"
	"waybill/config"
	"waybill/internal/cluster"
	"waybill/internal/partner"
	"waybill/starters/bridge/connectors/declared"
	"waybill/workers/doctor"
	"waybill/workers/fence"
	"waybill/workers/puller"
	"waybill/workers/relay"
)

func (a *app) doctor() *cobra.Command {
	return &cobra.Command{
		Use: "doctor", Short: "Ask Temporal, Odoo, the store, partners, clocks and the disk whether all is well, and say what to do", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := a.load((*config.Config).ForWorker)
			if err != nil {
				return err
			}
			ctx, cancel := context.WithTimeout(cmd.Context(), checkWithin)
			defer cancel()
			return a.Judge(examine(ctx, c))
		},
	}
}

// examine opens what can be opened, and asks all of it.
func examine(ctx context.Context, c *config.Config) (missing []string) {
	said := func(err error) {
		if err != nil {
			missing = append(missing, err.Error())
		}
	}
	_, err := config.LoadPolicies(c.Policies.File)
	said(err)
	p := patient(c)
	trackers, err := puller.Trackers(c, nil)
	said(err)
	for i, v := range c.Pull {
		if t, ok := trackers[v.Source]; ok {
			p.Partners = append(p.Partners, doctor.Partner{Key: fmt.Sprintf("pull[%d]", i), Ask: t.Client.Check})
		}
	}
	catalog, err := declared.OpenCatalog(c.Connectors.Folder, c.Connectors.Tests, time.Now)
	said(err)
	p.Sources = declared.Sources{Catalog: catalog, Named: c.ConnectorNames()}
	if p.Temporal, err = cluster.Dial(ctx, cluster.Options{Logger: cluster.Silent{}, CodecKeyFile: c.Codec.KeyFile}); err != nil {
		p.Temporal = nil // what Dial returns beside an error is no client
		said(err)
	} else {
		defer p.Temporal.Close()
	}
	if p.Store, err = openStore(ctx, c.Store.URL); err != nil {
		p.Store = nil
		said(err)
	} else {
		defer func() { _ = p.Store.Close() }() // nothing was written
	}
	if p.Temporal != nil && p.Store != nil {
		p.Compare = fence.New(fence.Options{Temporal: p.Temporal, Store: p.Store, Tenant: c.Tenant, Log: zap.NewNop()}).Compare
	}
	missing = append(missing, p.Lacks(ctx)...)
	if p.Store != nil {
		missing = append(missing, puller.Silences(ctx, p.Store, c.Bridge.Sources, c.Silence.After, time.Now())...)
		missing = append(missing, puller.Unheard(ctx, p.Store, c.Bridge.Sources)...)
		missing = append(missing, relay.Backlogs(ctx, p.Store, c.Relay.UnmatchedAfter, c.SourceOwner, time.Now())...)
		missing = append(missing, relay.Misreads(ctx, p.Store, c.SourceOwner, time.Now())...)
	}
	urls := map[string]string{"odoo": c.Odoo.URL, "billing": c.Billing.URL, "tms": c.TMS.URL, "finance": c.Finance.URL}
	return append(append(missing, doctor.Clocks(ctx, urls, time.Now)...), doctor.Disk(c.Store.URL)...)
}

func patient(c *config.Config) doctor.Patient {
	reach := func(name string, p config.Partner) *partner.Client {
		return partner.New(partner.Options{Name: name, URL: p.URL, Token: p.Token.Reveal, Timeout: p.Timeout})
	}
	return doctor.Patient{
		Status: connect(c.Odoo, c.Odoo.Status.Login, c.Odoo.Status.Password.Reveal), Money: connect(c.Odoo, c.Odoo.Money.Login, c.Odoo.Money.Password.Reveal), FreightProduct: c.Odoo.FreightProduct,
		Partners: []doctor.Partner{
			{Key: "billing", Ask: (&billing.Engine{Client: reach("billing engine", c.Billing)}).Check},
			{Key: "tms", Ask: (&tms.TMS{Client: reach("TMS", c.TMS)}).Check},
			{Key: "finance", Ask: (&finance.Platform{Client: reach("finance platform", c.Finance)}).Check},
		},
	}
}
