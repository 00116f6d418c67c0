// waybill is the command line of operations and finance. It reaches Temporal, and nothing else.
package main

import (
	"os"

	"waybill/starters/waybill/cli"
)

func main() {
	os.Exit(cli.Main(os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}
