package declared

import (
	"fmt"
	"strings"

	"waybill/starters/bridge/authn"
	"waybill/starters/bridge/connectors"
)

// Named is what serves a source by the name of its connector, with the profile its deliveries are verified by: the first
// of the folders that has it, as it is at each delivery, else the one of that name that is written in Go. The profile is
// that of now: whoever verifies asks again when the folder has news.
func Named(name string, folders ...*Folder) (connectors.Connector, authn.Profile, error) {
	for _, f := range folders {
		if c, err := f.Find(name); err == nil {
			return f.Live(name), c.Auth.Profile, nil
		}
	}
	partners, err := connectors.Partners()
	if err != nil {
		return nil, authn.Profile{}, err
	}
	plain, _, _ := strings.Cut(name, "@")
	p, ok := partners[plain]
	if !ok || name != p.Name && name != p.ID() {
		return nil, authn.Profile{}, fmt.Errorf("declared: there is no connector %s: see waybill connector list", name)
	}
	profile, err := authn.Named(plain)
	return p, profile, err
}
