// waybill-worker runs the stories, their activities, the relay and the scans of Odoo.
package main

import (
	"os"

	"waybill/internal/console"
)

func main() { os.Exit(console.Main(command)) }
