package dataset

import (
	"errors"
	"strings"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/featurestore/frame"
	"github.com/freshet/freshet/featurestore/pit"
)

// outputs are the columns that are written beside the spine's: the service's in
// its order, then those that With asks for.
func outputs(result *pit.Result, with With) *frame.Frame {
	out := &frame.Frame{}
	for i := range result.Columns {
		out.Columns = append(out.Columns, result.Columns[i].Column)
	}
	if with.Status {
		for i := range result.Columns {
			out.Columns = append(out.Columns, statusColumn(&result.Columns[i]))
		}
	}
	if with.EventTime {
		for _, r := range result.EventTimes {
			c := r.Times
			c.Name = r.Prefix + "__event_time"
			out.Columns = append(out.Columns, c)
		}
	}
	return out
}

func statusColumn(c *pit.Column) frame.Column {
	out := frame.Column{Field: frame.Field{Name: c.Name + "__status", Type: featurestore.String}}
	for _, s := range c.Status {
		out.Append(featurestore.StringValue(s.String()))
	}
	return out
}

// clashes refuses columns that would have one name; case does not tell them
// apart, as SQL has it.
func clashes(spine []frame.Field, columns *frame.Frame) error {
	owner := map[string]string{}
	for _, f := range spine {
		owner[strings.ToLower(f.Name)] = "a column of the spine"
	}
	var problems []error
	for i := range columns.Columns {
		name := columns.Columns[i].Name
		if other := owner[strings.ToLower(name)]; other != "" {
			problems = append(problems, featurestore.Invalidf("the output column %q is also %s: rename one of them (in a service: `view.feature as name`)", name, other))
		}
		owner[strings.ToLower(name)] = "another output column"
	}
	return errors.Join(problems...)
}
