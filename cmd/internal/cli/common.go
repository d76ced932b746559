package cli

import "github.com/spf13/cobra"

// AddCommon adds every verb that needs no cgo.
func (a *App) AddCommon(root *cobra.Command) {
	root.AddCommand(
		a.ValidateCommand(), a.TestCommand(), a.SchemaCommand(), a.PlanCommand(), a.ApplyCommand(),
		a.ServeCommand(), a.IngestCommand(), a.PushCommand(), a.GetCommand(),
		a.ListCommand(), a.DescribeCommand(), a.StatusCommand(), a.DoctorCommand(), a.VersionCommand(), a.PredictionsCommand(), a.DLQCommand(),
		a.BackfillCommand(), a.SwitchCommand(),
		a.AcceptTopicCommand(), a.ArchiveCommand(),
	)
}
