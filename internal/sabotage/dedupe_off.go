//go:build !sabotage_dedupe

package sabotage

// Dedupe takes an event that comes again for a new one.
const Dedupe = false
