//go:build !sabotage_search

package sabotage

// Search looks for an invoice and then makes one, instead of making it under its key.
const Search = false
