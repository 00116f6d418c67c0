package connectors

import (
	"embed"
	"fmt"
)

//go:embed mappings/*.yaml
var mappings embed.FS

// readers are the protocols that are read in Go.
var readers = map[string]func(Zones, []byte) (Batch, error){
	"aftership": readAfterShip, "dcsa": readDCSA, "dhl": readDHL, "easypost": readEasyPost, "fedex": readFedEx, "karrio": readKarrio, "shippo": readShippo, "ups": readUPS,
}

// Partners are the connectors written in Go, by name, each with the highest version of its table.
func Partners() (map[string]Partner, error) {
	all, err := Versions()
	if err != nil {
		return nil, err
	}
	ps := map[string]Partner{}
	for _, p := range all {
		if p.Version > ps[p.Name].Version {
			ps[p.Name] = p
		}
	}
	return ps, nil
}

// Versions are the connectors written in Go, by name and version, as ups@1: each with every table that came with it. What
// reads a delivery is the same in all of them.
func Versions() (map[string]Partner, error) {
	zs, err := ReadZones()
	if err != nil {
		return nil, err
	}
	files, err := mappings.ReadDir("mappings")
	if err != nil {
		return nil, fmt.Errorf("connectors: %w", err)
	}
	ps := map[string]Partner{}
	for _, f := range files {
		text, err := mappings.ReadFile("mappings/" + f.Name())
		if err != nil {
			return nil, fmt.Errorf("connectors: %w", err)
		}
		t, err := ParseTable(text)
		if err != nil {
			return nil, fmt.Errorf("connectors: mappings/%s: %w", f.Name(), err)
		}
		read, known := readers[t.Name]
		if _, twice := ps[t.ID()]; twice || !known {
			return nil, fmt.Errorf("connectors: mappings/%s: %s is there already, or is not read in Go", f.Name(), t.ID())
		}
		ps[t.ID()] = Partner{Table: t, Read: func(body []byte) (Batch, error) { return read(zs, body) }}
	}
	return ps, nil
}
