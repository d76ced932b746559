package cli

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/freshet/freshet/cmd/internal/testrun"
	"github.com/freshet/freshet/featurestore"
)

// TestCommand is `test`.
func (a *App) TestCommand() *cobra.Command {
	return &cobra.Command{
		Use: "test [NAME...]", Short: "Run the Test documents (exit 2: some failed)",
		RunE: func(cmd *cobra.Command, args []string) error {
			s, err := a.Settings()
			if err != nil {
				return err
			}
			project, _, err := a.LoadProject(s.Root)
			if err != nil {
				return err
			}
			wanted := map[string]bool{}
			for _, n := range args {
				wanted[n] = true
			}
			results, failed := []*testrun.Result{}, 0
			t := Table{Head: []string{"", "TEST", "VALUES", "PLACE"}}
			for _, test := range project.Tests {
				if len(args) > 0 && !wanted[test.Name] {
					continue
				}
				delete(wanted, test.Name)
				r, err := testrun.Run(cmd.Context(), s.Root, project, test)
				if err != nil {
					return err
				}
				results = append(results, r)
				mark := "ok"
				if !r.Passed() {
					mark = "FAIL"
					failed++
				}
				t.Rows = append(t.Rows, []string{mark, r.Test, fmt.Sprint(r.Checked), r.Place})
				for _, f := range r.Failures {
					t.Rows = append(t.Rows, []string{"", "  " + f, "", ""})
				}
				t.Names = append(t.Names, r.Test)
			}
			for name := range wanted {
				return featurestore.NotFoundf("there is no test %q", name)
			}
			t.Foot = fmt.Sprintf("%d passed, %d failed", len(results)-failed, failed)
			if err := a.Print(results, t); err != nil {
				return err
			}
			if failed > 0 {
				return ErrDifference
			}
			return nil
		},
	}
}
