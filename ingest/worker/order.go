package worker

// order keeps entities in the order of their last use. Each has a place of its own in
// each of two orders.
type order struct {
	of             int // orderCached or orderKept
	newest, oldest *entity
}

// The orders, by their places among an entity's links.
const (
	orderCached = iota // all that are cached
	orderKept          // those whose states are kept
)

// links are an entity's neighbours in one order.
type links struct{ newer, older *entity }

// link puts an entity that has no place at the front.
func (o *order) link(e *entity) {
	e.links[o.of] = links{older: o.newest}
	if o.newest != nil {
		o.newest.links[o.of].newer = e
	}
	o.newest = e
	if o.oldest == nil {
		o.oldest = e
	}
}

// unlink takes an entity out.
func (o *order) unlink(e *entity) {
	l := e.links[o.of]
	if l.newer != nil {
		l.newer.links[o.of].older = l.older
	} else {
		o.newest = l.older
	}
	if l.older != nil {
		l.older.links[o.of].newer = l.newer
	} else {
		o.oldest = l.newer
	}
	e.links[o.of] = links{}
}
