package cluster

import "go.temporal.io/sdk/log"

// Silent keeps the Temporal client's log out of the words that a command has for people.
type Silent struct{}

var _ log.Logger = Silent{}

// Debug implements log.Logger.
func (Silent) Debug(string, ...any) {}

// Info implements log.Logger.
func (Silent) Info(string, ...any) {}

// Warn implements log.Logger.
func (Silent) Warn(string, ...any) {}

// Error implements log.Logger.
func (Silent) Error(string, ...any) {}
