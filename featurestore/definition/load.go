package definition

import "slices"

// File is one definition file, or a schema that one names (IsSchemaFile): its path
// relative to the root, with slashes, and its bytes.
type File struct {
	Path string
	Data []byte
}

// Load parses and checks a whole project. The project is nil iff there are
// errors among the problems; warnings come beside a project.
func Load(files []File) (*Project, Problems) {
	l := &loader{grammar: grammar(), names: map[string]*document{}, lost: map[string]bool{}, schemas: map[string][]byte{}, project: &Project{}}
	files = slices.Clone(files)
	slices.SortStableFunc(files, func(a, b File) int { return comparePaths(a.Path, b.Path) })
	for _, f := range files {
		if IsSchemaFile(f.Path) {
			l.schemas[f.Path] = f.Data
			continue
		}
		l.read(f)
	}
	l.register()
	l.build()
	if l.problems.Errors() == 0 { // a broken document may be what uses the others
		l.warnUnused()
	}
	problems := l.finish()
	if problems.Errors() > 0 {
		return nil, problems
	}
	l.project.sort()
	l.project.hash()
	return l.project, problems
}

// loader is one run of Load. Problems are collected as they are found and put
// in order at the end.
type loader struct {
	grammar  map[string]*shape
	docs     []*document
	names    map[string]*document // by namespace and name
	lost     map[string]bool      // names of documents that could not be read
	schemas  map[string][]byte    // files of schemas, by path
	project  *Project
	problems Problems
	sources  []*source
}

// build turns documents into definitions, those that others refer to first.
func (l *loader) build() {
	steps := []struct {
		kind  string
		build func(*document)
	}{
		{kindEntity, l.buildEntity},
		{kindStreamSource, l.buildStreamSource},
		{kindBatchSource, l.buildBatchSource},
		{kindStreamView, l.buildStreamView},
		{kindBatchView, l.inferFields},
		{kindBatchView, l.buildBatchView},
		{kindOnDemandView, l.buildOnDemandView},
		{kindFeatureService, l.buildService},
		{kindTest, l.buildTest},
	}
	for _, step := range steps {
		for _, d := range l.docs {
			if d.kind != step.kind {
				continue
			}
			before := l.problems.Errors()
			step.build(d)
			if l.problems.Errors() > before {
				d.partial = true
			}
		}
	}
}

// finish orders the problems, drops repeated ones and hides secrets.
func (l *loader) finish() Problems {
	slices.SortStableFunc(l.problems, Problem.compare)
	l.problems = slices.CompactFunc(l.problems, func(a, b Problem) bool { return a == b })
	for i := range l.problems {
		p := &l.problems[i]
		p.Message, p.Hint = maskSecrets(p.Message), maskSecrets(p.Hint)
	}
	return l.problems
}
