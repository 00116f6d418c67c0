//go:build next

package protocol

// Edition is the course of the story that a shipment started now takes: here the one before, so that a rehearsed deploy
// leaves shipments of another course behind when it is rolled back.
const Edition = 0
