//go:build !next

package protocol

// Edition is the course of the story that a shipment started now takes.
const Edition = Carrying
