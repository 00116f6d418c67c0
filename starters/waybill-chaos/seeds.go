package main

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"
)

// kept is a run that has failed once, as its line in testdata/seeds.txt has it: all that makes it what it was. Within
// one release a seed makes the same run; what it makes may change with the next, and the line stays a run among others.
type kept struct {
	seed      uint64
	shipments int
	duration  time.Duration
	store     string // "sqlite" or "postgres"
	odoo      string // "standin" or "real"
	scenarios string
}

// keptOf is the line of a run.
func keptOf(o options, realOdoo bool) kept {
	return kept{o.seed, o.shipments, o.duration, storeKind(o.store), map[bool]string{true: "real", false: "standin"}[realOdoo], o.scenarios}
}

func storeKind(url string) string {
	if strings.HasPrefix(url, "postgres") {
		return "postgres"
	}
	return "sqlite"
}

func (k kept) String() string {
	return fmt.Sprintf("%d %d %s %s %s %s", k.seed, k.shipments, k.duration, k.store, k.odoo, k.scenarios)
}

// command is how a person runs it again.
func (k kept) command() string {
	return fmt.Sprintf("make chaos SEED=%d SHIPMENTS=%d DURATION=%s STORE=%s ODOO=%s SCENARIOS=%s", k.seed, k.shipments, k.duration, k.store, k.odoo, k.scenarios)
}

// parseKept reads a line.
func parseKept(line string) (k kept, err error) {
	var duration string
	if _, err := fmt.Sscan(line, &k.seed, &k.shipments, &duration, &k.store, &k.odoo, &k.scenarios); err != nil {
		return k, fmt.Errorf("%q: %w: want seed, shipments, duration, store, Odoo, scenarios", line, err)
	}
	if k.duration, err = time.ParseDuration(duration); err != nil {
		return k, fmt.Errorf("%q: %w", line, err)
	}
	_, err = choose(k.scenarios)
	if !slices.Contains([]string{"sqlite", "postgres"}, k.store) || !slices.Contains([]string{"standin", "real"}, k.odoo) {
		err = errors.Join(err, fmt.Errorf("%q: want sqlite or postgres, standin or real", line))
	}
	return k, err
}

// readKept reads all lines of a file that are not comments.
func readKept(file string) (all []kept, err error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	for line := range strings.Lines(string(text)) {
		if line = strings.TrimSpace(line); line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		k, err := parseKept(line)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
		all = append(all, k)
	}
	return all, nil
}

// keep adds a run to a file, once.
func keep(file string, k kept) error {
	if _, err := os.Stat(file); err == nil {
		all, err := readKept(file)
		if err != nil || slices.Contains(all, k) {
			return err
		}
	}
	f, err := os.OpenFile(file, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(f, k)
	return errors.Join(err, f.Close())
}
