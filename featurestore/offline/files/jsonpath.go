package files

import (
	"bytes"
	"fmt"
	"slices"

	"github.com/valyala/fastjson"
)

// jsonNode is an object of a line, as far as paths go through it.
type jsonNode struct {
	names    []string
	children []*jsonNode
}

// add takes the objects of a path.
func (n *jsonNode) add(path []string) {
	if len(path) < 2 {
		return
	}
	i := slices.Index(n.names, path[0])
	if i < 0 {
		i = len(n.names)
		n.names, n.children = append(n.names, path[0]), append(n.children, &jsonNode{})
	}
	n.children[i].add(path[1:])
}

// check says what is wrong with the objects of a line: a name that stands twice,
// or another value where a path goes on.
func (n *jsonNode) check(v *fastjson.Value, names *[][]byte) (problem string) {
	*names = (*names)[:0]
	v.GetObject().Visit(func(name []byte, _ *fastjson.Value) { *names = append(*names, name) })
	slices.SortFunc(*names, bytes.Compare)
	for i := 1; i < len(*names); i++ {
		if bytes.Equal((*names)[i], (*names)[i-1]) {
			return fmt.Sprintf("member %q stands twice", (*names)[i])
		}
	}
	for i, name := range n.names {
		inner := v.Get(name)
		if inner == nil || inner.Type() == fastjson.TypeNull {
			continue
		}
		if inner.Type() != fastjson.TypeObject {
			return fmt.Sprintf("member %q is a JSON %s, not an object, where a declared path goes on", name, inner.Type())
		}
		if problem := n.children[i].check(inner, names); problem != "" {
			return problem
		}
	}
	return ""
}
