// Package doctor asks everything a worker needs whether it is there, and says what to do where it is not.
package doctor

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"go.temporal.io/sdk/client"

	"waybill/activities/odoo"
	"waybill/internal/cluster"
	"waybill/internal/store"
	"waybill/starters/bridge/connectors/declared"
	"waybill/workflows/protocol"
)

// Patient is what is asked. What could not be opened is nil, and was said then.
type Patient struct {
	Temporal       client.Client
	Store          *store.Store
	Compare        func(context.Context) error // the store with Temporal
	Status, Money  odoo.Caller
	FreightProduct string
	Partners       []Partner
	Sources        declared.Sources // how partners' own forms are read; without a catalog it is not asked
}

// Partner is an outside system that takes a cheap call.
type Partner struct {
	Key string // in the configuration
	Ask func(context.Context) error
}

// Lacks names what is missing, each with what to do; none for nothing. All are asked at once.
func (p Patient) Lacks(ctx context.Context) []string {
	proofs := []func(context.Context) []string{p.storeLacks, p.temporalLacks, func(ctx context.Context) []string { return odoo.Check(ctx, p.Status, p.Money, p.FreightProduct) }, p.connectorLacks}
	for _, partner := range p.Partners {
		proofs = append(proofs, func(ctx context.Context) []string { return partnerLacks(partner.Key, partner.Ask(ctx)) })
	}
	return together(ctx, proofs)
}

func together(ctx context.Context, proofs []func(context.Context) []string) []string {
	found := make([][]string, len(proofs))
	var all sync.WaitGroup
	for i, proof := range proofs {
		all.Go(func() { found[i] = proof(ctx) })
	}
	all.Wait()
	return slices.Concat(found...)
}

// connectorLacks says which sources cannot be read, and which files of the folder are not used.
func (p Patient) connectorLacks(context.Context) (lacks []string) {
	if p.Sources.Catalog == nil {
		return nil // said when it was opened
	}
	for _, fault := range p.Sources.Catalog.Faults() {
		lacks = append(lacks, fmt.Sprintf("a connector that can be used: %v: mend it, and try it with waybill connector test", fault))
	}
	for _, source := range slices.Sorted(maps.Keys(p.Sources.Named)) {
		if _, err := p.Sources.Connector(source); err != nil {
			lacks = append(lacks, fmt.Sprintf("%v: put it into connectors.folder, or name another; its deliveries wait", err))
		}
	}
	return lacks
}

func (p Patient) storeLacks(ctx context.Context) []string {
	if p.Store == nil {
		return nil
	}
	if err := p.Store.Health(ctx); err != nil {
		return []string{fmt.Sprintf("a store that can be written: %v: see the rights of store.url, and the room on its disk", err)}
	}
	if p.Compare == nil {
		return nil
	}
	if err := p.Compare(ctx); err != nil {
		return []string{err.Error()}
	}
	return nil
}

func (p Patient) temporalLacks(ctx context.Context) []string {
	if p.Temporal == nil {
		return nil
	}
	return cluster.Check(ctx, p.Temporal, cluster.Namespace())
}

func partnerLacks(key string, err error) []string {
	switch {
	case err == nil:
		return nil
	case protocol.FaultOf(err) == protocol.Configuration:
		return []string{fmt.Sprintf("%s: %s: set %[1]s.token to one that it takes", key, protocol.Words(err))}
	}
	return []string{fmt.Sprintf("%s: %s: is it up, and is %[1]s.url right?", key, protocol.Words(err))}
}

// clockOff is how far two machines' clocks may differ: partners' deliveries are refused at 5 minutes, and a decision
// expires after 15.
const clockOff = time.Minute

// Clocks compares this machine's clock with those of HTTP servers, by the date they answer with. One that does not
// answer says nothing of its clock.
func Clocks(ctx context.Context, urls map[string]string, now func() time.Time) []string {
	var proofs []func(context.Context) []string
	for key, url := range urls {
		proofs = append(proofs, func(ctx context.Context) []string { return clockLacks(ctx, key, url, now) })
	}
	found := together(ctx, proofs)
	slices.Sort(found)
	return found
}

func clockLacks(ctx context.Context, key, url string, now func() time.Time) []string {
	req, err := http.NewRequestWithContext(ctx, http.MethodHead, url, nil)
	if err != nil {
		return nil
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil
	}
	_ = resp.Body.Close()
	theirs, err := http.ParseTime(resp.Header.Get("Date"))
	if off := now().Sub(theirs); err == nil && off.Abs() > clockOff {
		return []string{fmt.Sprintf("one time: this machine's clock is %s off that of %s: set both by NTP", off.Round(time.Second), key)}
	}
	return nil
}

// leastRoom is what a store's disk should have free: hours of deliveries at hundreds a second.
const leastRoom = 1 << 30

// Disk says what is wrong with the room for a store on this machine; nothing of one elsewhere.
func Disk(storeURL string) []string {
	path, ours := strings.CutPrefix(storeURL, "sqlite:")
	if !ours {
		return nil
	}
	dir := filepath.Dir(path)
	if _, err := os.Stat(dir); err != nil {
		return nil // said when it was opened
	}
	var s syscall.Statfs_t
	if err := syscall.Statfs(dir, &s); err != nil {
		return []string{fmt.Sprintf("room for the store: %s: %v", dir, err)}
	}
	if free := s.Bavail * uint64(s.Bsize); free < leastRoom {
		return []string{fmt.Sprintf("room for the store: %d MiB are free at %s, want %d: until then deliveries may be answered 503", free>>20, dir, leastRoom>>20)}
	}
	return nil
}
