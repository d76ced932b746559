// Command freshetd is the server and the ingester alone: static, without cgo.
package main

import (
	"os"
	_ "time/tzdata" // zones of definitions mean the same on every machine

	"github.com/freshet/freshet/cmd/internal/cli"
)

// version is set by the linker.
var version = "0.1.0-dev"

func main() {
	cli.TuneGC()
	cli.QuietClients()
	cli.LimitMemory()
	app := cli.New(version)
	root := app.Root("freshetd", "The server and the ingester of Freshet")
	root.AddCommand(app.ServeCommand(), app.IngestCommand(), app.StatusCommand(), app.DoctorCommand(), app.ArchiveCommand(), app.VersionCommand())
	os.Exit(app.Main(root))
}
