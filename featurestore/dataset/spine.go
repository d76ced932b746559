package dataset

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/featurestore/definition"
	"github.com/freshet/freshet/featurestore/frame"
	"github.com/freshet/freshet/featurestore/pit"
)

// Columns of a spine with a meaning of their own.
const (
	timeColumn       = "event_timestamp"
	requestColumn    = "request_id"  // mode exact
	requestRowColumn = "request_row" // mode exact; 0 where there is none
)

// need is a column that the join reads.
type need struct {
	field definition.Field
	why   string
	to    *frame.Column
	null  bool // null is a value
	from  frame.Field
	cast  frame.Cast
}

// spine reads the columns that the join needs; the others stay in the table.
func (x *Exporter) spine(ctx context.Context, r *Request, table string, fields []frame.Field) (*pit.Request, error) {
	join := &pit.Request{Project: r.Project, Service: r.Service, Mode: r.Mode, Delay: r.Delay, Progress: r.Progress}
	rows, err := x.Tables.Rows(ctx, table)
	if err != nil {
		return nil, err
	}
	if rows == 0 {
		return nil, featurestore.Invalidf("it has no rows: a training set has one row for each of the spine's")
	}
	if r.Mode == pit.Exact {
		return join, x.exactSpine(ctx, r, join, table, fields)
	}
	times := &frame.Column{}
	needs := []*need{{field: definition.Field{Name: timeColumn, Type: featurestore.Timestamp}, why: "the instant of each row", to: times}}
	join.Spine = &pit.Spine{Keys: map[string]*frame.Column{}, Request: map[string]*frame.Column{}}
	for _, f := range r.Service.Entities {
		c := &frame.Column{}
		join.Spine.Keys[f.Name] = c
		needs = append(needs, &need{field: f, why: "an entity key", to: c, null: true})
	}
	for _, f := range r.Service.Request {
		c := &frame.Column{}
		join.Spine.Request[f.Name] = c
		needs = append(needs, &need{field: f, why: "request data of an on-demand view", to: c, null: true})
	}
	if err := x.readNeeds(ctx, table, fields, needs, r.SpineZone); err != nil {
		return nil, err
	}
	join.Spine.Time = make([]featurestore.Instant, times.Len())
	for i := range join.Spine.Time {
		join.Spine.Time[i] = times.Value(i).Timestamp()
	}
	return join, nil
}

// readNeeds reads columns, cast into their declared types. Problems of the
// columns are reported all at once.
func (x *Exporter) readNeeds(ctx context.Context, table string, fields []frame.Field, needs []*need, zone *time.Location) error {
	var problems []error
	var read []frame.Field
	for _, n := range needs {
		if err := n.compile(fields, zone); err != nil {
			problems = append(problems, err)
			continue
		}
		n.to.Field = frame.Field{Name: n.field.Name, Type: n.field.Type}
		read = append(read, n.from)
	}
	if len(problems) > 0 {
		return errors.Join(problems...)
	}
	first := int64(0)
	return x.Tables.Columns(ctx, table, read, func(f *frame.Frame) error {
		for i, n := range needs {
			if err := n.append(&f.Columns[i], first); err != nil {
				return err
			}
		}
		first += int64(f.Len())
		return nil
	})
}

// compile finds the column and says how it is read.
func (n *need) compile(fields []frame.Field, zone *time.Location) error {
	i := slices.IndexFunc(fields, func(f frame.Field) bool { return f.Name == n.field.Name })
	if i < 0 {
		return featurestore.Invalidf("no column %q (%s): it is %s; the columns are %s", n.field.Name, n.field.Type, n.why, columnNames(fields))
	}
	n.from = fields[i]
	var err error
	if n.cast, err = frame.Into(fields[i], n.field.Type, zone); err != nil {
		return featurestore.Invalidf("column %q %w%s", n.field.Name, err, zoneHint(err))
	}
	return nil
}

func (n *need) append(from *frame.Column, first int64) error {
	for i := range from.Len() {
		v, err := n.cast(from.Value(i))
		if err == nil && v.IsNull() && !n.null {
			err = errors.New("is null")
		}
		if err != nil {
			return featurestore.Invalidf("column %q, row %d: %w%s", n.field.Name, first+int64(i)+1, err, zoneHint(err))
		}
		n.to.Append(v)
	}
	return nil
}

func zoneHint(err error) string {
	if errors.Is(err, featurestore.ErrNoZone) {
		return " (--spine-zone)"
	}
	return ""
}

func columnNames(fields []frame.Field) string {
	out := make([]string, len(fields))
	for i, f := range fields {
		out[i] = f.Name
	}
	return strings.Join(out, ", ")
}

// exactSpine takes the rows from the prediction log: the spine names them by
// request id, and by their place in the request where it asked for several.
func (x *Exporter) exactSpine(ctx context.Context, r *Request, join *pit.Request, table string, fields []frame.Field) error {
	requests, places := &frame.Column{}, &frame.Column{}
	needs := []*need{{field: definition.Field{Name: requestColumn, Type: featurestore.String}, why: "the request id of a logged lookup", to: requests}}
	if slices.ContainsFunc(fields, func(f frame.Field) bool { return f.Name == requestRowColumn }) {
		needs = append(needs, &need{field: definition.Field{Name: requestRowColumn, Type: featurestore.Int64}, why: "the row of the request", to: places})
	}
	if err := x.readNeeds(ctx, table, fields, needs, nil); err != nil {
		return err
	}
	ids := make([]LookupID, requests.Len())
	for i := range ids {
		ids[i].Request = requests.Text[i]
		if places.Len() > 0 {
			ids[i].Row = places.Int(i)
		}
	}
	recorded, err := x.Lookups.Lookups(ctx, r.Service.Name, ids)
	if err != nil {
		return err
	}
	if len(recorded) != len(ids) {
		return fmt.Errorf("the prediction log gave %d lookups for %d ids", len(recorded), len(ids))
	}
	ExactRequest(join, recorded)
	return nil
}

// ExactRequest fills a join of mode exact with recorded lookups; its project
// and service are set.
func ExactRequest(join *pit.Request, recorded []Recorded) {
	join.Mode = pit.Exact
	join.Spine = &pit.Spine{Keys: map[string]*frame.Column{}, Request: map[string]*frame.Column{}}
	keys := columnsOf(join.Service.Entities, join.Spine.Keys)
	request := columnsOf(join.Service.Request, join.Spine.Request)
	for i := range recorded {
		join.Spine.Time = append(join.Spine.Time, recorded[i].ReadTime)
		join.Exact = append(join.Exact, recorded[i].ExactRow)
		for k, c := range keys {
			c.Append(recorded[i].Keys[k])
		}
		for k, c := range request {
			c.Append(recorded[i].Request[k])
		}
	}
}

func columnsOf(fields []definition.Field, into map[string]*frame.Column) []*frame.Column {
	out := make([]*frame.Column, len(fields))
	for i, f := range fields {
		out[i] = &frame.Column{Field: frame.Field{Name: f.Name, Type: f.Type}}
		into[f.Name] = out[i]
	}
	return out
}
