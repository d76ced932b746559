package rpc

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/valyala/fastjson"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/featurestore/definition"
	"github.com/freshet/freshet/serving/service"
)

// jsonRequest is a lookup as HTTP sends it, its columns not yet typed.
type jsonRequest struct {
	service  string
	features []string
	entities *fastjson.Object
	inputs   *fastjson.Object
	asOf     *featurestore.Instant
	include  include
	id       string
}

// parseRequest reads the body's own structure; unknown and repeated keys are refused.
func parseRequest(body []byte, p *fastjson.Parser) (*jsonRequest, error) {
	v, err := p.ParseBytes(body)
	if err != nil {
		return nil, invalid(PointedError{"", "the body is not JSON: " + err.Error()})
	}
	o, err := v.Object()
	if err != nil {
		return nil, invalid(PointedError{"", "the body must be a JSON object"})
	}
	r := &jsonRequest{include: includeStatus}
	var errs []PointedError
	seen := map[string]bool{}
	o.Visit(func(k []byte, v *fastjson.Value) {
		key := string(k)
		if seen[key] {
			errs = append(errs, PointedError{"/" + key, "stands twice"})
		}
		seen[key] = true
		if err := r.set(key, v); err != nil {
			errs = append(errs, PointedError{"/" + key, err.Error()})
		}
	})
	if r.service == "" && len(r.features) == 0 || r.service != "" && len(r.features) > 0 {
		errs = append(errs, PointedError{"/service", "name either a service or a list of features"})
	}
	if len(errs) > 0 {
		return nil, invalid(errs...)
	}
	return r, nil
}

func (r *jsonRequest) set(key string, v *fastjson.Value) (err error) {
	switch key {
	case "service":
		r.service, err = textOf(v)
	case "features":
		r.features, err = textsOf(v)
	case "entities":
		r.entities, err = v.Object()
	case "request":
		r.inputs, err = v.Object()
	case "request_id":
		r.id, err = textOf(v)
		if len(r.id) > 128 {
			err = fmt.Errorf("has %d bytes, 128 are allowed", len(r.id))
		}
	case "as_of":
		if v.Type() == fastjson.TypeNull {
			return nil
		}
		var text string
		if text, err = textOf(v); err == nil {
			var t featurestore.Instant
			t, err = featurestore.ParseInstant(text)
			r.asOf = &t
		}
	case "include":
		var names []string
		if names, err = textsOf(v); err == nil {
			r.include, err = parseInclude(names)
		}
	default:
		err = fmt.Errorf("is not a part of the request; there are service, features, entities, request, as_of, include, request_id")
	}
	return err
}

func textOf(v *fastjson.Value) (string, error) {
	b, err := v.StringBytes()
	if err != nil {
		return "", fmt.Errorf("must be a text, is %s", v.Type())
	}
	return string(b), nil
}

func textsOf(v *fastjson.Value) ([]string, error) {
	list, err := v.Array()
	if err != nil {
		return nil, fmt.Errorf("must be a list of texts, is %s", v.Type())
	}
	out := make([]string, len(list))
	for i, e := range list {
		if out[i], err = textOf(e); err != nil {
			return nil, fmt.Errorf("element %d %w", i, err)
		}
	}
	return out, nil
}

// typed gives the request its types, under a service's plan.
func (r *jsonRequest) typed(plan *service.Compiled) (*service.Request, error) {
	req := &service.Request{ID: r.id, AsOf: r.asOf, Rows: -1}
	c := columns{rows: &req.Rows}
	req.Entities = c.read("/entities", r.entities, plan.Entities)
	req.Inputs = c.read("/request", r.inputs, plan.Inputs)
	if len(c.errs) > 0 {
		return nil, invalid(c.errs...)
	}
	if err := checkRows(req.Rows); err != nil {
		return nil, err
	}
	return req, nil
}

func checkRows(rows int) error {
	if rows < 1 {
		return invalid(PointedError{"/entities", "at least one row is needed"})
	}
	if rows > service.MaxRows {
		return invalid(PointedError{"/entities", fmt.Sprintf("%d rows are asked for, %d are allowed", rows, service.MaxRows)})
	}
	return nil
}

// columns reads objects of columns, all of one length.
type columns struct {
	rows *int
	errs []PointedError
}

func (c *columns) fail(pointer, format string, args ...any) {
	if len(c.errs) < 20 {
		c.errs = append(c.errs, PointedError{pointer, fmt.Sprintf(format, args...)})
	}
}

// length takes the first column's length for all.
func (c *columns) length(pointer string, n int) {
	if *c.rows < 0 {
		*c.rows = n
	} else if *c.rows != n {
		c.fail(pointer, "has %d values, the columns before it have %d", n, *c.rows)
	}
}

func (c *columns) read(pointer string, o *fastjson.Object, fields []definition.Field) [][]featurestore.Value {
	out := make([][]featurestore.Value, len(fields))
	given := make([]bool, len(fields))
	if o != nil {
		o.Visit(func(k []byte, v *fastjson.Value) {
			name := string(k)
			at := slices.IndexFunc(fields, func(f definition.Field) bool { return f.Name == name })
			if at < 0 {
				c.fail(pointer+"/"+name, "is not wanted; wanted are %s", names(fields))
				return
			}
			if given[at] {
				c.fail(pointer+"/"+name, "stands twice")
			}
			given[at] = true
			out[at] = c.column(pointer+"/"+name, v, fields[at].Type)
		})
	}
	for i, ok := range given {
		if !ok {
			c.fail(pointer+"/"+fields[i].Name, "is missing: a list of %s, one a row", fields[i].Type)
		}
	}
	return out
}

func names(fields []definition.Field) string {
	if len(fields) == 0 {
		return "none"
	}
	list := make([]string, len(fields))
	for i, f := range fields {
		list[i] = f.Name
	}
	return strings.Join(list, ", ")
}

func (c *columns) column(pointer string, v *fastjson.Value, t featurestore.Type) []featurestore.Value {
	list, err := v.Array()
	if err != nil {
		c.fail(pointer, "must be a list, one value a row, is %s", v.Type())
		return nil
	}
	c.length(pointer, len(list))
	if len(list) > service.MaxRows {
		return nil
	}
	out := make([]featurestore.Value, len(list))
	for i, e := range list {
		if out[i], err = jsonValue(e, t); err != nil {
			c.fail(pointer+"/"+strconv.Itoa(i), "%v", err)
		}
	}
	return out
}
