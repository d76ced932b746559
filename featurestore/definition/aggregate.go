package definition

import (
	"errors"
	"fmt"
	"strconv"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/transforms/agg"
	"github.com/freshet/freshet/transforms/window"
)

// aggregate fills in a feature's call, its inputs and its type. ok is false
// where the type is not known; what is wrong was reported.
func (b *featureBuilder) aggregate(n *node, f *window.Feature) (ok bool) {
	call := n.get("agg")
	if call == nil {
		return false
	}
	parsed, wrong := parseAggCall(call.text)
	if wrong != nil {
		b.l.problemAt(call, extent{wrong.from, wrong.to}, wrong.hint, "%s", wrong.message)
		return false
	}
	parameters, known := aggregates()[parsed.function]
	if !known {
		b.l.problemAt(call, extent{0, len(parsed.function)}, suggest(parsed.function, aggregateNames(), "use "+list(aggregateNames())),
			"unknown aggregate %s", quoted(parsed.function))
		return false
	}
	args, ok := b.l.arguments(call, parsed, parameters)
	if !ok {
		return false
	}
	f.Call = agg.Call{Func: parsed.function}
	for i, p := range parameters {
		if args[i] == nil {
			continue
		}
		text := fragment{node: call, at: args[i].at, text: args[i].text}
		if p.kind == paramExpression {
			ok = b.argument(text, p.name, f) && ok
		} else if err := constant(text.text, p, &f.Call); err != nil {
			message, hint := splitHint(err)
			b.l.problemAt(call, extent{text.at, text.at + len(text.text)}, hint, "%s: %s", p.name, message)
			ok = false
		}
	}
	if !ok {
		return false
	}
	f.Type = resultOf(f.Call)
	ok = b.by(n, f)
	b.modifiers(n, &f.Call)
	return ok && b.runs(call, f)
}

// runs asks the engine, which has the last word.
func (b *featureBuilder) runs(call *node, f *window.Feature) bool {
	t, err := agg.Check(f.Call)
	switch {
	case err != nil:
		message, hint := splitHint(err)
		b.l.problemAt(call, extent{0, len(call.text)}, hint, "%s", message)
	case !t.Equal(f.Type):
		b.l.problemAt(call, extent{0, len(call.text)}, "remove it: this version does not run it", "%s that gives %s is not supported yet", f.Call.Func, f.Type)
	}
	return true // the type is known whatever the engine says
}

// argument compiles x or y of an aggregate and checks its type.
func (b *featureBuilder) argument(text fragment, name string, f *window.Feature) bool {
	index, t, ok := b.in.add(text, featurestore.Type{})
	if !ok {
		return false
	}
	if why, way := misfit(f.Call.Func, name, t); why != "" {
		b.l.problemAt(text.node, extent{text.at, text.at + len(text.text)}, way, "%s", why)
		return false
	}
	if name == "y" {
		f.Second, f.Call.Second = index, t
	} else {
		f.Input, f.Call.Input = index, t
	}
	return true
}

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

// constant reads an argument that is no expression into the call.
func constant(text string, p parameter, call *agg.Call) error {
	switch p.kind {
	case paramShare:
		share, err := agg.ParseShare(text)
		if err != nil {
			return fmt.Errorf("%s %w", quoted(text), err)
		}
		call.Share = share
		return nil
	case paramLength:
		return constantHalfLife(text, call)
	}
	n, err := parseWhole(text, p.least, p.most)
	switch {
	case err != nil:
		return err
	case p.name == "n":
		call.N = n
	case call.Func == "count_distinct" && n == agg.DefaultDistinctMax: // written out, it is the same call
	default:
		call.Max = n
	}
	return nil
}

func constantHalfLife(text string, call *agg.Call) error {
	if err := checkDuration(text); err != nil {
		return err
	}
	d, err := featurestore.ParseDuration(text)
	if err == nil && d < agg.MinHalfLife {
		err = fmt.Errorf("%q is too short: write %s or more", text, agg.MinHalfLife)
	}
	call.HalfLife = d
	return err
}

// parseWhole reads a whole number in plain decimal digits.
func parseWhole(text string, least, most int64) (int64, error) {
	n, err := strconv.ParseInt(text, 10, 64)
	what := "is not in range"
	switch {
	case errors.Is(err, strconv.ErrSyntax), text[0] == '+', len(text) > 1 && text[0] == '0':
		what = "is no whole number in plain digits"
	case err == nil && n >= least && n <= most:
		return n, nil
	}
	return 0, fmt.Errorf("%s %s: write a whole number from %d to %d", quoted(text), what, least, most)
}
