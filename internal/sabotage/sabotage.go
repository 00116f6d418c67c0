// Package sabotage holds what a build with a sabotage_ tag does wrong, on purpose: the proof under faults must find
// each. In every other build all of them are false, and the compiler leaves out what they guard.
package sabotage
