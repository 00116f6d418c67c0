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
func sources(cs []config.Source, ms manners) (ss []bridge.Source) {
	for i, c := range cs {
		s := bridge.Source{Name: c.Name, PerSecond: c.PerSecond, Burst: c.Burst, Limit: c.MaxBytes}
		if m := ms[c.Name]; m != nil {
			s.Manner, s.Types, s.Limit = m.manner, m.types(), m.limit()
		} else {
			s.Keys = func() ([]webhook.Key, error) { return live(i, c, webhook.ParseKey) }
		}
		if c.Documents && c.MaxBytes == 0 {
			s.Limit = bridge.DocumentLimit
		}
		ss = append(ss, s)
	}
	return ss
}

// live are the secrets of a source that can be read, and what is wrong with the others by their place in the
// configuration. One secret may hold several, one a line, so that a file alone is enough to rotate them.
func live[T any](i int, c config.Source, parse func(string) (T, error)) (ts []T, _ error) {
	var faults []error
	for n, secret := range c.Secrets {
		found, err := linesOf(secret, parse)
		if err != nil {
			faults = append(faults, fmt.Errorf("bridge.sources[%d].secrets[%d] of %s: %w", i, n, c.Name, err))
		}
		ts = append(ts, found...)
	}
	if len(ts) > webhook.MaxKeys {
		faults = append(faults, fmt.Errorf("bridge.sources[%d].secrets of %s: %d are live, of which only the first %d are read: take old ones out", i, c.Name, len(ts), webhook.MaxKeys))
		ts = ts[:webhook.MaxKeys]
	}
	return ts, errors.Join(faults...)
}

func linesOf[T any](secret config.Secret, parse func(string) (T, error)) (ts []T, _ error) {
	text, err := secret.Reveal()
	if err != nil {
		return nil, err
	}
	var faults []error
	lines := 0
	for line := range strings.Lines(text) {
		if line = strings.TrimSpace(line); line == "" {
			continue
		}
		lines++
		t, err := parse(line)
		if err != nil {
			faults = append(faults, err)
			continue
		}
		ts = append(ts, t)
	}
	if lines == 0 {
		return nil, errors.New("it is empty")
	}
	return ts, errors.Join(faults...)
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
	_, err := mannersOf(c, nil)
	missing = append(missing, err)
	for i, s := range c.Bridge.Sources {
		if s.Plain() {
			_, err := live(i, s, webhook.ParseKey)
			missing = append(missing, err)
		}
	}
	if token := hintToken(c.Bridge.HintToken); token != nil {
		_, err := token()
		missing = append(missing, err)
	}
	_, err = certificate(c.Bridge.TLS, zap.NewNop())
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
