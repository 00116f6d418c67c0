//go:build !sabotage_listener

package sabotage

// Listener reads scans in a coroutine beside the story, instead of in its own inbox.
const Listener = false
