package main

import (
	"github.com/zeebo/xxh3"

	"github.com/freshet/freshet/cmd/internal/cli"
)

// saved notices when definition files are saved.
type saved struct {
	root string
	hash uint64
}

func newSaved(root string) *saved {
	s := &saved{root: root}
	s.hash, _ = s.read() // an unreadable folder differs from what is read later
	return s
}

func (s *saved) read() (uint64, error) {
	files, err := cli.DefinitionFiles(s.root)
	if err != nil {
		return 0, err
	}
	h := xxh3.New()
	for _, f := range files {
		// A hash takes every write.
		_, _ = h.WriteString(f.Path)
		_, _ = h.Write([]byte{0})
		_, _ = h.Write(f.Data)
		_, _ = h.Write([]byte{0})
	}
	return h.Sum64(), nil
}

func (s *saved) changed() (bool, error) {
	now, err := s.read()
	if err != nil || now == s.hash {
		return false, err
	}
	s.hash = now
	return true, nil
}
