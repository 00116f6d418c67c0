// waybill is the command line of operations and finance. It reaches Temporal, and nothing else.
package main

import (
	"os"

	"waybill/internal/console"
	"waybill/starters/waybill/cli"
)

func main() { os.Exit(console.Main(cli.Command)) }
