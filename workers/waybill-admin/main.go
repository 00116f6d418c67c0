// waybill-admin prepares and looks into what the worker works with: Odoo, Temporal, the store. It holds the same
// rights as the worker.
package main

import (
	"os"

	"waybill/internal/console"
)

func main() { os.Exit(console.Main(command)) }
