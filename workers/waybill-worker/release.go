//go:build !next

package main

// release names this version in the log.
const release = "v0"
