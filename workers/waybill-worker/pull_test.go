package main

import (
	"fmt"
	"testing"

	"waybill/activities/carrier/carriertest"
)

func TestTrackingAPIThatCannotBeAskedIsNamed(t *testing.T) {
	p := carriertest.New("karrio")
	t.Cleanup(p.Close)
	w := newWorld(t)
	good := w.file
	const source = "bridge: {sources: [{name: parcels, owner: o, connector: karrio, secrets: [x]}]}\n"
	w.change("metrics: ", source+"pull: [{source: parcels, token: t}]\nmetrics: ")
	w.lacks("pull from parcels: the connector \"karrio\" knows no tracking API: give its url, with {number} where the number goes")
	w.file = good
	pulls := func(token string) string {
		return fmt.Sprintf("%spull: [{source: parcels, url: %q, token: %s}]\nmetrics: ", source, p.API().URL, token)
	}
	w.change("metrics: ", pulls("another"))
	w.lacks("pull[0]: the tracking of parcels says: 401 Unauthorized")
	w.file = good
	w.change("metrics: ", pulls(carriertest.Token))
	w.lacks()
	w.says(w.start(), "worker_started")
}
