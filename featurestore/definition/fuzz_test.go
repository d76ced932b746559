package definition_test

import (
	"strings"
	"testing"

	"github.com/freshet/freshet/featurestore/definition"
)

// FuzzLoad demands that nothing in a file can end the process, that every
// problem is at a place of its file, and that a project comes iff nothing is wrong.
func FuzzLoad(f *testing.F) {
	for _, dir := range []string{corpus + "/invalid", corpus + "/valid", corpus} {
		for _, file := range readDir(f, dir) {
			if len(file.Data) < 8<<10 {
				f.Add(file.Data)
			}
		}
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		project, problems := definition.Load([]definition.File{{Path: "x.yaml", Data: data}})
		if (project == nil) != (problems.Errors() > 0) {
			t.Fatalf("project %v beside\n%s", project != nil, problems.Format())
		}
		lines := strings.Count(string(data), "\n") + 1
		for _, p := range problems {
			if p.Place.File != "x.yaml" || p.Place.Line < 1 || p.Place.Line > lines || p.Place.Column < 1 || p.Width < 1 || p.Message == "" {
				t.Fatalf("a problem without a place: %+v", p)
			}
		}
		if len(problems) < 100 {
			_ = problems.Format()
		}
	})
}
