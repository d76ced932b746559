package pit

import (
	"cmp"
	"slices"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/featurestore/codec"
	"github.com/freshet/freshet/featurestore/definition"
)

// read is one lookup of one entity: a role of a spine row.
type read struct {
	entity int // number of the entity among those of the spine
	role   int
	row    int
	at     featurestore.Instant
}

// entities numbers the entities that the spine asks a view for.
type entities struct {
	types  []featurestore.Type
	number map[string]int
	values []featurestore.Value // scratch
	key    []byte               // scratch
}

func newEntities(e *definition.Entity) *entities {
	types := keyTypes(e)
	return &entities{types: types, number: map[string]int{}, values: make([]featurestore.Value, len(types))}
}

// encode gives the key of e.values; ok is false for one that names no entity (a
// null, a key too long).
func (e *entities) encode() (key []byte, ok bool) {
	for _, v := range e.values {
		if v.IsNull() {
			return nil, false
		}
	}
	var err error
	e.key, err = codec.AppendKey(e.key[:0], e.types, e.values)
	return e.key, err == nil
}

// find gives the number of the entity of e.values; ok is false where the spine
// does not ask for it.
func (e *entities) find() (n int, ok bool) {
	key, ok := e.encode()
	if !ok {
		return 0, false
	}
	n, ok = e.number[string(key)]
	return n, ok
}

func (e *entities) intern() (n int, ok bool) {
	key, ok := e.encode()
	if !ok {
		return 0, false
	}
	n, found := e.number[string(key)]
	if !found {
		n = len(e.number)
		e.number[string(key)] = n
	}
	return n, true
}

// readsOf lists the lookups of a view by all roles that use it, ordered by
// (entity, instant, row). Rows whose key is no key get INVALID_KEY at once.
func readsOf(r *Request, o *output, view any, entity *definition.Entity) ([]read, *entities, error) {
	ids := newEntities(entity)
	var out []read
	for role := range o.roles {
		if o.roles[role].view != view {
			continue
		}
		columns := r.Service.Roles[role].Keys
		for row := range o.rows {
			for i, name := range columns {
				c := r.Spine.Keys[name]
				if c == nil {
					return nil, nil, featurestore.Invalidf("the spine has no column %q, a key of view %s", name, meta(view).Name)
				}
				ids.values[i] = c.Value(row)
			}
			n, ok := ids.intern()
			if !ok {
				o.setInvalid(role, row)
				continue
			}
			at := r.Spine.Time[row]
			if r.Mode == Exact {
				at = r.Exact[row].ReadTime
			}
			out = append(out, read{entity: n, role: role, row: row, at: at})
		}
	}
	slices.SortFunc(out, func(a, b read) int {
		return cmp.Or(cmp.Compare(a.entity, b.entity), cmp.Compare(a.at, b.at), cmp.Compare(a.row, b.row), cmp.Compare(a.role, b.role))
	})
	return out, ids, nil
}
