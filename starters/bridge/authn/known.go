package authn

import (
	_ "embed"
	"fmt"
	"maps"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

//go:embed profiles.yaml
var profiles []byte

// Known reads the profiles of the providers we know, by name.
func Known() (map[string]Profile, error) {
	known := map[string]Profile{}
	d := yaml.NewDecoder(strings.NewReader(string(profiles)))
	d.KnownFields(true)
	if err := d.Decode(&known); err != nil {
		return nil, fmt.Errorf("authn: profiles.yaml: %w", err)
	}
	for _, name := range slices.Sorted(maps.Keys(known)) {
		if err := known[name].Check(); err != nil {
			return nil, fmt.Errorf("authn: profiles.yaml: %s: %w", name, err)
		}
	}
	return known, nil
}

// Named is the profile of a provider we know.
func Named(name string) (Profile, error) {
	known, err := Known()
	if err != nil {
		return Profile{}, err
	}
	p, ok := known[name]
	if !ok {
		return p, fmt.Errorf("authn: no provider %q: known are %s", name, strings.Join(slices.Sorted(maps.Keys(known)), ", "))
	}
	return p, nil
}
