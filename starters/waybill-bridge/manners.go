package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"time"

	"go.uber.org/zap"
	"go.yaml.in/yaml/v3"

	"waybill/config"
	"waybill/starters/bridge"
	"waybill/starters/bridge/authn"
	"waybill/starters/bridge/connectors"
	"waybill/starters/bridge/connectors/declared"
	"waybill/starters/bridge/webhook"
)

// manners are how partners with ways of their own speak, by the source's name.
type manners map[string]*manner

// manner is how one does, as of the last look into the folder of connectors.
type manner struct {
	place   int // in the configuration
	source  config.Source
	catalog *declared.Catalog
	is      atomic.Pointer[bridge.Manner]
	entry   declared.Entry // of the first look: a body's size and type are those until a restart
}

// mannersOf finds out how each source speaks that does not send our own events by Standard Webhooks. With no catalog it
// opens the configured one. Its error names every source that is not as it should be, with its secrets.
func mannersOf(c *config.Config, catalog *declared.Catalog) (manners, error) {
	if catalog == nil {
		var err error
		if catalog, err = declared.OpenCatalog(c.Connectors.Folder, c.Connectors.Tests, time.Now); err != nil {
			return nil, err
		}
	}
	ms := manners{}
	var faults []error
	for i, s := range c.Bridge.Sources {
		if s.Plain() {
			continue
		}
		m := &manner{place: i, source: s, catalog: catalog}
		if err := m.look(); err != nil {
			faults = append(faults, err)
			continue
		}
		_, err := m.manner().Secrets()
		faults = append(faults, err)
		ms[s.Name] = m
	}
	return ms, errors.Join(faults...)
}

func (m *manner) manner() bridge.Manner { return *m.is.Load() }

// look finds the connector and the profile anew.
func (m *manner) look() error {
	e := declared.Entry{Connector: connectors.Canonical{}, Auth: authn.Profile{Scheme: authn.StandardWebhooks}, Content: "json", Bytes: bridge.DefaultLimit}
	var err error
	if m.source.Connector != "" {
		if e, err = m.catalog.Find(m.source.Connector); err != nil {
			return m.fault("connector", err)
		}
	}
	if m.source.HasAuth() {
		if e.Auth, err = profileOf(m.source.Auth); err != nil {
			return m.fault("auth", err)
		}
	}
	proof, err := authn.New(e.Auth)
	if err != nil {
		return m.fault("auth", err)
	}
	if m.is.Load() == nil {
		m.entry = e
	}
	m.is.Store(&bridge.Manner{Proof: proof, Secrets: func() ([]string, error) { return m.secrets(e.Auth, proof) }, Foreign: m.source.Connector != ""})
	return nil
}

func (m *manner) fault(key string, err error) error {
	return fmt.Errorf("bridge.sources[%d].%s of %s: %w", m.place, key, m.source.Name, err)
}

// profileOf reads a profile as connectors have it: a known one's name, or all of it.
func profileOf(written any) (authn.Profile, error) {
	text, err := yaml.Marshal(written)
	if err != nil {
		return authn.Profile{}, err
	}
	var a declared.Auth
	if err := yaml.Unmarshal(text, &a); err != nil {
		return authn.Profile{}, err
	}
	return a.Profile, a.Check()
}

func (m *manner) secrets(p authn.Profile, proof *authn.Verifier) ([]string, error) {
	if proof.Keyless() {
		return nil, nil
	}
	if len(m.source.Secrets) == 0 {
		return nil, m.fault("secrets", errors.New("want the secret that was agreed with the partner"))
	}
	return live(m.place, m.source, func(line string) (string, error) { return line, secretFault(p, line) })
}

// secretFault says that a secret is not of the form its profile has; such a one would match nothing.
func secretFault(p authn.Profile, secret string) error {
	switch {
	case p.Scheme == authn.StandardWebhooks || p.Normalize == "whsec":
		_, err := webhook.ParseKey(secret)
		return err
	case p.Scheme == authn.Basic && !strings.Contains(secret, ":"):
		return errors.New("want user:password")
	}
	return nil
}

// types are the content types the source may send.
func (m *manner) types() []string {
	switch {
	case len(m.source.Types) > 0:
		return m.source.Types
	case m.entry.Content == "xml":
		return bridge.XMLTypes
	}
	return bridge.JSONTypes
}

// limit is how many bytes a body may have.
func (m *manner) limit() int64 {
	if m.source.MaxBytes > 0 {
		return m.source.MaxBytes
	}
	return m.entry.Bytes
}

// watch follows the folder of connectors until the context ends: a new version's proof is asked for without a restart.
// What is wrong with it leaves the last one in use, and is told.
func (ms manners) watch(ctx context.Context, catalog *declared.Catalog, every time.Duration, log *zap.Logger) {
	catalog.Watch(ctx, every, func(news string) {
		level := zap.InfoLevel
		if len(catalog.Faults()) > 0 {
			level = zap.WarnLevel
		}
		log.Log(level, "connectors_changed", zap.String("news", news))
		for _, m := range ms {
			if err := m.look(); err != nil {
				log.Error("source_kept_as_it_was", zap.Error(err))
			}
		}
	})
}
