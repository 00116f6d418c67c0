package main

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"waybill/activities/notify"
	"waybill/config"
	"waybill/starters/bridge/webhook"
	"waybill/workers/notifier"
)

// eventsKept is how long events can be replayed: as long as partners' references hold.
const eventsKept = 90 * 24 * time.Hour

func (h *house) notifier() (*notifier.Notifier, error) {
	n := &notifier.Notifier{Store: h.store, Log: h.log, Keep: eventsKept}
	if len(h.config.Subscribers) == 0 {
		return n, nil
	}
	for _, c := range h.config.Subscribers {
		c = c.Settled()
		client := notify.New(notify.Subscriber{Name: c.Name, URL: c.URL, Keys: func() ([]webhook.Key, error) { return signing(c) }, Timeout: c.Timeout, Private: c.AllowPrivate})
		n.Subscribers = append(n.Subscribers, notifier.Subscriber{Name: c.Name, Client: client, PerSecond: c.PerSecond, GiveUp: c.GiveUp})
	}
	var err error
	n.Metrics, err = notifier.NewMetrics(h.metrics)
	return n, err
}

// signing are the keys of a subscriber that can be read, and what is wrong with the others. A secret may hold several,
// one a line, so that a file alone is enough to rotate them.
func signing(c config.Subscriber) (keys []webhook.Key, _ error) {
	var faults []error
	for i, secret := range c.Secrets {
		text, err := secret.Reveal()
		for _, line := range strings.Fields(text) {
			k, fault := webhook.ParseKey(line)
			if err = errors.Join(err, fault); fault == nil {
				keys = append(keys, k)
			}
		}
		if err != nil {
			faults = append(faults, fmt.Errorf("secrets[%d] of subscriber %s: %w", i, c.Name, err))
		}
	}
	return keys[:min(len(keys), webhook.MaxKeys)], errors.Join(faults...)
}
