package cli

import (
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/freshet/freshet/cmd/internal/doctor"
	"github.com/freshet/freshet/featurestore"
)

// DoctorCommand is `doctor`.
func (a *App) DoctorCommand() *cobra.Command {
	timeout, role := 5*time.Second, ""
	cmd := &cobra.Command{
		Use: "doctor", Short: "Look at every part, say what is wrong, why it matters and what to run next", Args: cobra.NoArgs,
		Long: "Look at every part of the deployment, side by side where they do not depend on each other: settings, definitions, registry, server, log, online store, what its user may do, schema registry, sources, views, generations, dead letters, disk, clocks, ingester, audit and canary.\n" +
			"It changes nothing, and works where parts are down: each check has its own deadline. The exit code is 1 where a check has failed; warnings are none.",
		RunE: func(cmd *cobra.Command, _ []string) error {
			if timeout < 100*time.Millisecond {
				return featurestore.Invalidf("--timeout %s: give each check at least 100ms", timeout)
			}
			if role != string(doctor.Any) && role != string(doctor.Ingest) && role != string(doctor.Serve) {
				return featurestore.Invalidf("--role %q: write ingest or serve, or leave it out", role)
			}
			r := doctor.Run(cmd.Context(), doctor.Config{
				Settings: a.Settings, Definitions: DefinitionFiles, Role: doctor.Role(role), Addr: a.Addr, Timeout: timeout,
				Now:    func() featurestore.Instant { return featurestore.InstantOf(time.Now()) },
				Logger: slog.New(slog.DiscardHandler), // what a part says is the check's result
				Slow:   func(check string) { a.Note("still looking at: %s", check) },
			})
			if err := a.Print(r, doctorTable(r)); err != nil {
				return err
			}
			if err := cmd.Context().Err(); err != nil {
				return err
			}
			if r.Failed > 0 {
				return fmt.Errorf("%d of %d checks have failed", r.Failed, len(r.Checks))
			}
			return nil
		},
	}
	cmd.Flags().DurationVar(&timeout, "timeout", timeout, "of each check")
	cmd.Flags().StringVar(&role, "role", "", "what a process with these settings does: ingest (it must be able to write) or serve (it must not); default: either")
	return cmd
}

func doctorTable(r *doctor.Report) Table {
	t := Table{Head: []string{"CHECK", "STATE", "SEEN"}}
	for _, c := range r.Checks {
		seen := oneLine(c.Seen)
		if c.Of != "" {
			seen = c.Of + ": " + seen
		}
		t.Rows = append(t.Rows, []string{c.Check, string(c.State), seen})
		if c.Why != "" {
			t.Rows = append(t.Rows, []string{"", "", "  why: " + c.Why})
		}
		if c.Next != "" {
			t.Rows = append(t.Rows, []string{"", "", "  next: " + c.Next})
		}
		if c.State == doctor.Failed {
			t.Names = append(t.Names, c.Check)
		}
	}
	t.Foot = fmt.Sprintf("%d checks, %d failed, %d warnings", len(r.Checks), r.Failed, r.Warnings)
	return t
}

// oneLine joins the lines of an error that lists several problems.
func oneLine(text string) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	for i := range lines {
		lines[i] = strings.TrimSpace(lines[i])
	}
	return strings.Join(lines, " | ")
}
