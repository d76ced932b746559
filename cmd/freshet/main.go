// Command freshet is everything: definitions, the long-running parts, and the
// offline work that needs DuckDB.
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
	app := &App{App: cli.New(version)}
	root := app.Root("freshet", "A real-time feature store: define in YAML, stream, look up, train, and prove that it is the same value")
	app.AddCommon(root)
	root.AddCommand(
		app.initCommand(), app.devCommand(), app.demoCommand(), app.demoServicesCommand(),
		app.materializeCommand(), app.datasetCommand(), app.verifyCommand(), app.skewCommand(),
	)
	os.Exit(app.Main(root))
}

// App is the shared command line with the verbs of this binary.
type App struct{ *cli.App }
