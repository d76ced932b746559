package definition

import (
	"errors"
	"fmt"
	"strconv"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/transforms/agg"
)

// aggregate checks a call and gives what the engine runs. input is the index of
// the argument, -1 for none.
func (l *loader) aggregate(n *node, nulls *node, in *inputs) (call agg.Call, result featurestore.Type, input int, ok bool) {
	parsed, wrong := parseAggCall(n.text)
	if wrong != nil {
		l.problemAt(n, extent{wrong.from, wrong.to}, wrong.hint, "%s", wrong.message)
		return call, result, -1, false
	}
	parameters, known := aggregates()[parsed.function]
	if !known {
		l.problemAt(n, extent{0, len(parsed.function)}, suggest(parsed.function, aggregateNames(), runningAggregates),
			"unknown aggregate %s", quoted(parsed.function))
		return call, result, -1, false
	}
	call = agg.Call{Func: parsed.function, RespectNulls: nulls != nil}
	input = -1
	args, ok := l.arguments(n, parsed, parameters)
	for i, p := range parameters {
		if !ok || args[i] == nil {
			continue
		}
		f := fragment{node: n, at: args[i].at, text: args[i].text}
		if p.kind == paramExpression {
			index, t, good := in.add(f, featurestore.Type{})
			ok = good
			if i == 0 {
				input, call.Input = index, t
			}
		} else if value, good := l.constant(f, p); !good {
			ok = false
		} else if p.name == "max" {
			call.Max = value
		}
	}
	if !ok {
		return call, result, input, false
	}
	result, err := agg.Check(call)
	if err != nil {
		message, hint := splitHint(err)
		if errors.Is(err, agg.ErrUnsupported) {
			hint = runningAggregates
		}
		l.problemAt(n, extent{0, len(n.text)}, hint, "%s", message)
	}
	return call, result, input, err == nil
}

const runningAggregates = "this version runs count, sum, avg, min, max, first, last, var_samp, var_pop, stddev_samp, stddev_pop, count_distinct and time_since_last"

// arguments puts the arguments of a call to its parameters, nil for one left out.
func (l *loader) arguments(n *node, call aggCall, parameters []parameter) ([]*aggArg, bool) {
	args := make([]*aggArg, len(parameters))
	how := "write " + usage(call.function, parameters)
	for i := range call.args {
		a := &call.args[i]
		place := i
		if a.name != "" {
			place = -1
			for j, p := range parameters {
				if p.name == a.name && p.kind != paramExpression {
					place = j
				}
			}
		}
		switch {
		case place < 0:
			l.problemAt(n, extent{a.nameAt, a.at + len(a.text)}, how, "%s has no option %q", call.function, a.name)
			return nil, false
		case place >= len(parameters):
			l.problemAt(n, extent{a.at, a.at + len(a.text)}, how, "%s has too many arguments", call.function)
			return nil, false
		case args[place] != nil:
			l.problemAt(n, extent{a.at, a.at + len(a.text)}, how, "%q is given twice", parameters[place].name)
			return nil, false
		}
		args[place] = a
	}
	for i, p := range parameters {
		if args[i] == nil && !p.optional {
			l.problemAt(n, extent{0, len(n.text)}, how, "%s needs %q", call.function, p.name)
			return nil, false
		}
	}
	return args, true
}

// constant checks an argument that is no expression; a count gives its value.
func (l *loader) constant(f fragment, p parameter) (int64, bool) {
	var err error
	var value int64
	switch p.kind {
	case paramCount:
		value, err = parseCount(f.text)
	case paramShare:
		var share float64
		if share, err = strconv.ParseFloat(f.text, 64); err != nil || !(share >= 0 && share <= 1) {
			err = fmt.Errorf("%s is not a number from 0 to 1", quoted(f.text))
		}
	case paramLength:
		_, err = featurestore.ParseDuration(f.text)
	}
	if err != nil {
		l.problemAt(f.node, extent{f.at, f.at + len(f.text)}, "", "%s: %v", p.name, err)
	}
	return value, err == nil
}

// parseCount reads a whole number above 0 in plain decimal digits.
func parseCount(text string) (int64, error) {
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n <= 0 || text[0] == '+' || text[0] == '0' {
		return 0, fmt.Errorf("%s is not a whole number above 0", quoted(text))
	}
	return n, nil
}
