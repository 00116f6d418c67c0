//go:build !sabotage_ack

package sabotage

// Ack answers a delivery before it is on disk.
const Ack = false
