//go:build next

package main

// release names the version that a rehearsed deploy puts in the place of the running one.
const release = "next"
