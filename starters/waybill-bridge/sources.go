package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"go.uber.org/zap"

	"waybill/config"
	"waybill/internal/store"
	"waybill/starters/bridge"
	"waybill/starters/bridge/webhook"
)

// sources are the configured partners. Their secrets are read anew with each delivery.
func sources(cs []config.Source) (ss []bridge.Source) {
	for i, c := range cs {
		s := bridge.Source{Name: c.Name, PerSecond: c.PerSecond, Burst: c.Burst, Keys: func() ([]webhook.Key, error) { return keys(i, c) }}
		if c.Documents {
			s.Limit = bridge.DocumentLimit
		}
		ss = append(ss, s)
	}
	return ss
}

// keys are the live ones of a source, and what is wrong with the others by their place in the configuration. One
// secret may hold several keys, one a line, so that a file alone is enough to rotate them.
func keys(i int, c config.Source) (live []webhook.Key, _ error) {
	var faults []error
	for n, secret := range c.Secrets {
		ks, err := keysOf(secret)
		if err != nil {
			faults = append(faults, fmt.Errorf("bridge.sources[%d].secrets[%d] of %s: %w", i, n, c.Name, err))
		}
		live = append(live, ks...)
	}
	if len(live) > webhook.MaxKeys {
		faults = append(faults, fmt.Errorf("bridge.sources[%d].secrets of %s: %d are live, of which only the first %d are read: take old ones out", i, c.Name, len(live), webhook.MaxKeys))
	}
	return live, errors.Join(faults...)
}

func keysOf(secret config.Secret) (ks []webhook.Key, _ error) {
	text, err := secret.Reveal()
	if err != nil {
		return nil, err
	}
	lines := strings.Fields(text)
	if len(lines) == 0 {
		return nil, errors.New("it is empty")
	}
	var faults []error
	for _, line := range lines {
		k, err := webhook.ParseKey(line)
		if err != nil {
			faults = append(faults, err)
			continue
		}
		ks = append(ks, k)
	}
	return ks, errors.Join(faults...)
}

// hintToken reads the token of Odoo's webhook; nil where there is none, which closes that way in.
func hintToken(s config.Secret) func() (string, error) {
	if !s.Stated() {
		return nil
	}
	return func() (string, error) {
		token, err := s.Reveal()
		if err == nil && token == "" {
			err = errors.New("it is empty")
		}
		if err != nil {
			return "", fmt.Errorf("bridge.hint_token: %w", err)
		}
		return token, nil
	}
}

// prove tries all that the bridge needs, and names what is missing. It takes no deliveries.
func prove(ctx context.Context, c *config.Config, out io.Writer) error {
	missing := []error{proveStore(ctx, c.Store.URL)}
	for i, s := range c.Bridge.Sources {
		_, err := keys(i, s)
		missing = append(missing, err)
	}
	if token := hintToken(c.Bridge.HintToken); token != nil {
		_, err := token()
		missing = append(missing, err)
	}
	_, err := certificate(c.Bridge.TLS, zap.NewNop())
	if err := errors.Join(append(missing, err)...); err != nil {
		return fmt.Errorf("missing:\n  %s", strings.ReplaceAll(err.Error(), "\n", "\n  "))
	}
	_, err = fmt.Fprintln(out, "everything is in place")
	return err
}

func proveStore(ctx context.Context, url string) error {
	s, err := store.Open(ctx, url)
	if err != nil {
		return err
	}
	return errors.Join(s.Health(ctx), s.Close())
}
