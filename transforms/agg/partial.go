package agg

import "github.com/freshet/freshet/featurestore"

// quantity is what a partial accumulates: a name for messages, and the storage
// of its cells. Two quantities are the same iff they are the same pointer.
type quantity struct {
	name   string
	column func(p *partial) column
}

// partial is one stored quantity of one group of events.
type partial struct {
	need
	in     featurestore.Type // of x
	second featurestore.Type // of y
	group  int
	x, y   int     // indexes of the inputs, -1 for none
	inner  *Layout // by: what is kept for each key
}

func (p *partial) same(o *partial) bool {
	return p.need == o.need && p.group == o.group && p.x == o.x && p.y == o.y && p.in.Equal(o.in) && p.second.Equal(o.second)
}
