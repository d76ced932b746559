package service

import (
	"context"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/featurestore/codec"
	"github.com/freshet/freshet/featurestore/online"
	"github.com/freshet/freshet/transforms/window"
)

// Reader is what a lookup needs of the online store.
type Reader interface {
	Get(ctx context.Context, ids []online.EntityID) ([]online.Parts, error)
}

// lookup is one request on its way.
type lookup struct {
	catalog *Catalog
	plan    *Compiled
	req     *Request

	gens    []Generation // per role
	ids     []online.EntityID
	seen    map[string]int32
	slots   []int32 // row-major, a role a column: index into entities; -1 for an invalid key, -2 while rebuilding
	found   []found
	applied featurestore.Applied // memory of the lists of all entities
	damaged []Damage
	times   []featurestore.Instant
	cells   [][]featurestore.Cell // per role: row-major
	states  [][]RowState          // per role
}

const (
	slotInvalidKey int32 = -1
	slotRebuilding int32 = -2
)

// Lookup answers a request at the clock's time. Errors are those of the store
// (ErrUnavailable) and of on_stale: fail.
func (c *Catalog) Lookup(ctx context.Context, store Reader, plan *Compiled, req *Request, clock featurestore.Instant) (*Answer, error) {
	if plan.home != c.home {
		c = plan.home.newest.Load()
	}
	l := &lookup{catalog: c, plan: plan, req: req, seen: map[string]int32{}}
	l.resolve()
	if err := l.fetch(ctx, store); err != nil {
		return nil, err
	}
	l.readTimes(clock)
	l.read()
	onDemand := l.evaluate()
	columns, err := l.columns(onDemand)
	if err != nil {
		return nil, err
	}
	return &Answer{
		Service: plan.Name, Revision: c.Revision, RequestID: req.ID,
		ReadTimes: l.times, Columns: columns, Roles: l.roles(), Damaged: l.damaged,
	}, nil
}

// resolve turns keys into entity ids; an entity that is asked for twice is read once.
func (l *lookup) resolve() {
	roles := l.plan.roles
	l.gens = make([]Generation, len(roles))
	l.slots = make([]int32, l.req.Rows*len(roles))
	var key []byte
	values := make([]featurestore.Value, 0, 8)
	for k := range roles {
		r := &roles[k]
		l.gens[k] = l.catalog.Generations[r.View]
		for row := range l.req.Rows {
			slot := &l.slots[row*len(roles)+k]
			values = values[:0]
			for _, at := range r.keys {
				values = append(values, l.req.Entities[at][row])
			}
			// A view's number stands before the key, so that two views' equal keys differ.
			key = append(key[:0], byte(k), byte(k>>8))
			if base := l.plan.baseRole(r.View); base >= 0 {
				key[0], key[1] = byte(base), byte(base>>8)
			}
			typed, err := codec.AppendKey(key, r.types, values)
			switch {
			case err != nil:
				*slot = slotInvalidKey
			case !l.gens[k].Ready:
				*slot = slotRebuilding
			default:
				key = typed
				*slot = l.entity(key, l.gens[k], r)
			}
		}
	}
}

func (l *lookup) entity(tagged []byte, g Generation, r *role) int32 {
	if at, ok := l.seen[string(tagged)]; ok {
		return at
	}
	owned := string(tagged)
	at := int32(len(l.ids))
	l.seen[owned] = at
	key := []byte(owned[2:])
	l.ids = append(l.ids, online.EntityID{
		LaneID: online.LaneID{Generation: g.ID, Lane: codec.Lane(key, g.Lanes)}, Key: key,
		Split: r.stream != nil && r.stream.Plan.Splits(), State: r.stream != nil, // lanes of batch views say nothing
	})
	return at
}

// fetch reads every entity, in one round trip, and what its lane says of itself by then:
// the catalog is a picture of some moment before, and the store may have lost the lane
// since, or be making it anew.
func (l *lookup) fetch(ctx context.Context, store Reader) error {
	l.found = make([]found, len(l.ids))
	if len(l.ids) == 0 {
		return nil
	}
	parts, err := store.Get(ctx, l.ids)
	if err != nil {
		return err
	}
	n := len(l.plan.roles)
	for i, slot := range l.slots {
		if slot >= 0 && l.ids[slot].State && !parts[slot].Lane.Answers() {
			l.slots[i] = slotRebuilding
			continue
		}
		if slot < 0 || parts[slot].Open == nil && parts[slot].Closed == nil {
			continue
		}
		l.open(&l.plan.roles[i%n], slot, parts[slot])
		parts[slot].Open, parts[slot].Closed = nil, nil // opened: the next row that shares it finds it done
	}
	return nil
}

// readTimes gives each row one instant: the given one, or the clock moved past
// everything that the row's states have folded.
func (l *lookup) readTimes(clock featurestore.Instant) {
	n := len(l.plan.roles)
	l.times = make([]featurestore.Instant, l.req.Rows)
	for row := range l.times {
		if l.req.AsOf != nil {
			l.times[row] = *l.req.AsOf
			continue
		}
		t := clock
		for k := range n {
			if slot := l.slots[row*n+k]; slot >= 0 && l.found[slot].packed {
				t = max(t, l.found[slot].state.ReadTime())
			}
		}
		l.times[row] = t
	}
}

// read fills the cells of every role.
func (l *lookup) read() {
	n := len(l.plan.roles)
	l.cells, l.states = make([][]featurestore.Cell, n), make([][]RowState, n)
	for k := range n {
		l.cells[k] = make([]featurestore.Cell, l.req.Rows*l.plan.roles[k].width)
		l.states[k] = make([]RowState, l.req.Rows)
		l.readRole(k)
	}
}

func (l *lookup) readRole(k int) {
	r, n := &l.plan.roles[k], len(l.plan.roles)
	var sc *window.Scratch
	if r.stream != nil {
		sc = r.scratch.Get().(*window.Scratch)
		defer r.scratch.Put(sc)
	}
	for row := range l.req.Rows {
		out := l.cells[k][row*r.width : (row+1)*r.width]
		slot := l.slots[row*n+k]
		switch {
		case slot == slotInvalidKey:
			fill(out, featurestore.InvalidKey)
		case slot == slotRebuilding:
			fill(out, featurestore.Rebuilding)
		case r.stream != nil:
			l.states[k][row] = l.readStream(r, slot, l.times[row], sc, out)
		default:
			l.states[k][row] = l.readBatch(r, slot, l.times[row], out)
		}
	}
}

func fill(out []featurestore.Cell, s featurestore.Status) {
	for i := range out {
		out[i] = featurestore.Cell{Status: s}
	}
}

// roles reports which state each row was read from.
func (l *lookup) roles() []Role {
	out := make([]Role, len(l.plan.roles))
	for k := range out {
		r, g := &l.plan.roles[k], l.gens[k]
		out[k] = Role{View: r.View, Sources: r.sources, Generation: g.ID.Number, Rows: l.states[k]}
		if r.Prefix != r.View {
			out[k].As = r.Prefix
		}
		if r.stream != nil {
			out[k].Watermark, out[k].HasWatermark = g.Watermark, g.HasWatermark
		}
	}
	return out
}
