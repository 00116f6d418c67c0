//go:build !sabotage_breaker

package sabotage

// Breaker goes on calling a system that is down.
const Breaker = false
