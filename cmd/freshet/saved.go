package main

import (
	"github.com/zeebo/xxh3"

	"github.com/freshet/freshet/cmd/internal/cli"
)

// saved notices when definition files are saved.
type saved struct {
	root string
	seen any // the hash of the files, or the text of why they could not be read
}

func newSaved(root string) *saved {
	s := &saved{root: root}
	s.seen = s.read()
	return s
}

func (s *saved) read() any {
	files, err := cli.DefinitionFiles(s.root)
	if err != nil {
		return err.Error()
	}
	h := xxh3.New()
	for _, f := range files {
		// A hash takes every write.
		_, _ = h.WriteString(f.Path)
		_, _ = h.Write([]byte{0})
		_, _ = h.Write(f.Data)
		_, _ = h.Write([]byte{0})
	}
	return h.Sum64()
}

// changed reports whether the files, or that they cannot be read, are news.
func (s *saved) changed() bool {
	before := s.seen
	s.seen = s.read()
	return s.seen != before
}
