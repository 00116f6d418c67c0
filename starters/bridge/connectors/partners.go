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

// Partners are the connectors written in Go, by name, each with the table that came with it.
func Partners() (map[string]Partner, error) {
	zs, err := ReadZones()
	if err != nil {
		return nil, err
	}
	ps := map[string]Partner{}
	for name, read := range readers {
		text, err := mappings.ReadFile("mappings/" + name + ".yaml")
		if err != nil {
			return nil, fmt.Errorf("connectors: %w", err)
		}
		t, err := ParseTable(text)
		if err != nil {
			return nil, fmt.Errorf("connectors: mappings/%s.yaml: %w", name, err)
		}
		ps[name] = Partner{Table: t, Read: func(body []byte) (Batch, error) { return read(zs, body) }}
	}
	return ps, nil
}
