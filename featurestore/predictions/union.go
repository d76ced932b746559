package predictions

import (
	"context"
	"slices"

	"github.com/freshet/freshet/featurestore"
)

// Union is the header that holds every column of the rows of a query: those of
// the newest revision first, then what only older ones had. A column whose type
// changed is an error of kind ErrInvalid that names it. Nil where there are no
// rows.
func Union(ctx context.Context, q Query) (*Header, error) {
	s, err := openSnapshot(q.Dir)
	if err != nil {
		return nil, err
	}
	defer s.close()
	var headers []*Header
	found, err := sealedFiles(q.Dir, q.Service, q.Within)
	if err != nil {
		return nil, err
	}
	for _, f := range found {
		info, err := openInfo(f.path)
		if err != nil {
			return nil, err
		}
		headers = append(headers, info.header)
	}
	err = s.unsealed(ctx, found, func(rec *Record) error {
		if rec.Header != nil && rec.Header.Service == q.Service && !slices.Contains(headers, rec.Header) {
			headers = append(headers, rec.Header)
		}
		return nil
	})
	if err != nil || len(headers) == 0 {
		return nil, err
	}
	out := &Header{Service: q.Service}
	for _, h := range slices.Backward(headers) {
		if err := out.merge(h); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func (h *Header) merge(o *Header) error {
	for _, list := range []struct {
		have *[]Field
		add  []Field
	}{{&h.Entities, o.Entities}, {&h.Request, o.Request}, {&h.Columns, o.Columns}} {
		for _, f := range list.add {
			i := slices.IndexFunc(*list.have, func(x Field) bool { return x.Name == f.Name })
			switch {
			case i < 0:
				*list.have = append(*list.have, f)
			case !(*list.have)[i].Type.Equal(f.Type):
				return featurestore.Invalidf("column %q of service %s was %s and is %s: choose a range of one of them with --from and --to", f.Name, h.Service, f.Type, (*list.have)[i].Type)
			}
		}
	}
	for _, r := range o.Roles {
		i := slices.IndexFunc(h.Roles, func(x Role) bool { return x.Prefix == r.Prefix })
		if i < 0 {
			h.Roles = append(h.Roles, Role{Prefix: r.Prefix, View: r.View})
			i = len(h.Roles) - 1
		}
		for _, source := range r.Sources {
			if !slices.Contains(h.Roles[i].Sources, source) {
				h.Roles[i].Sources = append(h.Roles[i].Sources, source)
			}
		}
	}
	return nil
}

// Under gives the row under another header, by names: what the header has and
// the row does not is null, with the status UNSPECIFIED. ok is false where the
// row has a column that the header does not.
func (r *Row) Under(h *Header) (_ *Row, ok bool) {
	if r.Header == h {
		return r, true
	}
	out := newRow(h)
	out.RequestID, out.Number, out.ReadTime, out.LoggedAt, out.AsOf, out.Revision = r.RequestID, r.Number, r.ReadTime, r.LoggedAt, r.AsOf, r.Revision
	out.Predictions = r.Predictions
	ok = move(h.Entities, r.Header.Entities, out.Entities, r.Entities) && move(h.Request, r.Header.Request, out.Request, r.Request) &&
		move(h.Columns, r.Header.Columns, out.Cells, r.Cells)
	for k := range r.States {
		role := &r.Header.Roles[k]
		i := slices.IndexFunc(h.Roles, func(x Role) bool { return x.Prefix == role.Prefix })
		if i < 0 {
			return nil, false
		}
		out.States[i] = r.States[k]
		out.States[i].Applied = slices.Clone(r.States[k].Applied)
		for e := range out.States[i].Applied {
			entry := &out.States[i].Applied[e]
			source := slices.Index(h.Roles[i].Sources, role.Sources[entry.Source])
			if source < 0 {
				return nil, false
			}
			entry.Source = uint16(source)
		}
	}
	return out, ok
}

func move[T any](to, from []Field, out, in []T) bool {
	for k := range from {
		i := slices.IndexFunc(to, func(f Field) bool { return f.Name == from[k].Name })
		if i < 0 {
			return false
		}
		out[i] = in[k]
	}
	return true
}
