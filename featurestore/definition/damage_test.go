package definition_test

import (
	"fmt"
	"math/rand/v2"
	"regexp"
	"runtime/debug"
	"strings"
	"testing"

	"github.com/freshet/freshet/featurestore/definition"
)

// edit replaces the bytes [from, to) of a file.
type edit struct {
	from, to int
	with     string
}

// written finds a key: at the start of a line or an item, or inside braces.
var written = regexp.MustCompile(`(?m)(?:^ *|- |[{,] *)([A-Za-z_]+):`)

// valueEnd is where the value behind a key ends, at the latest with its line.
func valueEnd(data string, from int) int {
	var open []byte
	for i := from; i < len(data); i++ {
		switch c := data[i]; {
		case c == '\n':
			return i
		case len(open) > 0 && c == open[len(open)-1]:
			open = open[:len(open)-1]
		case len(open) > 0 && (open[len(open)-1] == '"' || open[len(open)-1] == '\''):
		case c == '"' || c == '\'':
			open = append(open, c)
		case c == '[' || c == '{':
			open = append(open, c+2)
		case len(open) == 0 && (c == ',' || c == ']' || c == '}'):
			return i
		}
	}
	return len(data)
}

// damages are the single mistakes that one makes in a file: a line, or a line
// with all that is below it, is lost; a key is misspelt; a value is null, and, in
// turn from one to the next, cut, empty or of another form.
func damages(data string) []edit {
	var all []edit
	lines := strings.SplitAfter(data, "\n")
	at := 0
	for i, line := range lines {
		end := at + len(line)
		all = append(all, edit{at, end, ""})
		below := end
		for _, next := range lines[i+1:] {
			if indent(next) <= indent(line) {
				break
			}
			below += len(next)
		}
		if below > end {
			all = append(all, edit{at, below, ""})
		}
		at = end
	}
	values := []string{"", " ''", " []", " {}", " zzz", " 7", " [zzz]", " {zzz: 7}"}
	for i, m := range written.FindAllStringSubmatchIndex(data, -1) {
		from, to := m[1], valueEnd(data, m[1])
		all = append(all, edit{m[3], m[3], "z"})
		if to == from {
			continue
		}
		all = append(all, edit{from, to, " null"})
		if i %= len(values) + 1; i < len(values) {
			all = append(all, edit{from, to, values[i]})
		} else {
			all = append(all, edit{to - 1, to, ""})
		}
		if data[m[2]:m[3]] == "kind" {
			all = append(all, edit{to - 1, to, ""})
		}
	}
	return all
}

func indent(line string) int { return len(line) - len(strings.TrimLeft(line, " -")) }

// apply makes the edits, of which the last in the file comes first.
func apply(data string, edits []edit) string {
	for _, e := range edits {
		data = data[:e.from] + e.with + data[e.to:]
	}
	return data
}

// wholeProjects are what is damaged: each of them loads.
func wholeProjects(t *testing.T) map[string][]definition.File {
	t.Helper()
	projects := map[string][]definition.File{"hash.yaml": readDir(t, "testdata"), "formats": readDir(t, corpus+"/valid/formats")}
	base := readDir(t, corpus+"/schemas")
	for i := range base {
		base[i].Path = "schemas/" + base[i].Path
	}
	projects["base.yaml"] = append(base, file(t, corpus+"/base.yaml"))
	for _, f := range readDir(t, corpus+"/valid") {
		if !strings.Contains(f.Path, "/") {
			projects[f.Path] = []definition.File{f}
		}
	}
	return projects
}

// Whatever is wrong with a definition, and so with what others see of it, is
// told at a place: nothing ends the process, and a project comes iff nothing is wrong.
func TestDamagedDefinitions(t *testing.T) {
	for name, files := range wholeProjects(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			mustLoad(t, files)
			for i := range files {
				if !definition.IsSchemaFile(files[i].Path) {
					damageFile(t, files, i)
				}
			}
		})
	}
}

func damageFile(t *testing.T, files []definition.File, i int) {
	t.Helper()
	good := string(files[i].Data)
	all := damages(good)
	for _, e := range all {
		loadDamaged(t, files, i, e)
	}
	// Two mistakes at once: the second may be in what depends on the first.
	random := rand.New(rand.NewPCG(1, uint64(len(good))))
	for range len(all) / 4 {
		a, b := all[random.IntN(len(all))], all[random.IntN(len(all))]
		if a.from < b.from {
			a, b = b, a
		}
		if b.to <= a.from {
			loadDamaged(t, files, i, a, b)
		}
	}
}

// loadDamaged loads the files with edits in one of them.
func loadDamaged(t *testing.T, files []definition.File, i int, edits ...edit) {
	t.Helper()
	damaged := append([]definition.File(nil), files...)
	damaged[i].Data = []byte(apply(string(files[i].Data), edits))
	told := func() (text string) {
		for _, e := range edits {
			line := 1 + strings.Count(string(files[i].Data[:e.from]), "\n")
			text += fmt.Sprintf("%s:%d: %q for %q\n", files[i].Path, line, e.with, files[i].Data[e.from:e.to])
		}
		return text
	}
	defer func() {
		if r := recover(); r != nil {
			t.Fatalf("%s%v\n%s", told(), r, debug.Stack())
		}
	}()
	project, problems := definition.Load(damaged)
	if (project == nil) != (problems.Errors() > 0) {
		t.Errorf("%sproject %v beside %d errors", told(), project != nil, problems.Errors())
	}
	for _, p := range problems {
		if err := misplaced(p, damaged); err != nil {
			t.Errorf("%s%v", told(), err)
		}
	}
}

// misplaced says why a problem does not point into a file.
func misplaced(p definition.Problem, files []definition.File) error {
	for _, f := range files {
		if f.Path != p.Place.File {
			continue
		}
		lines := strings.Split(string(f.Data), "\n")
		if p.Place.Line < 1 || p.Place.Line > len(lines) || p.Place.Column < 1 || p.Place.Column > len(lines[p.Place.Line-1])+1 || p.Width < 1 || p.Message == "" {
			return fmt.Errorf("%s is no place: %q", p.Place, p.Message)
		}
		return nil
	}
	return fmt.Errorf("%s is in no file: %q", p.Place, p.Message)
}
