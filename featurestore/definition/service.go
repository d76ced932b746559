package definition

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/freshet/freshet/featurestore"
)

func serviceShape() *shape {
	role := object("a role",
		field{key: "view", shape: nameShape(), need: true, doc: "write {view: NAME, as: role, keys: {entity key: request name}}"},
		field{key: "as", shape: nameShape(), need: true, doc: "write as: the role, which begins the names of its columns"},
		field{key: "keys", shape: dictOf(nameShape(), nameShape(), 1), need: true, doc: "write keys: {entity key: request name}"},
		field{key: "features", shape: listOf(nameShape(), 1), doc: "Which features; all by default."})
	text := filledTextShape("view.*, or view.feature, or view.feature as name")
	sample := numberShape()
	sample.is, sample.check = "a number from 0 to 1", func(text string) error {
		if f, err := strconv.ParseFloat(text, 64); err != nil || !(f >= 0 && f <= 1) {
			return fmt.Errorf("%s is not from 0 to 1", quoted(text))
		}
		return nil
	}
	model := checkedText("name:version", `^[^:\s]+:[^:\s]+$`, checkModel)
	s := object("a feature service",
		field{key: "features", shape: listOf(anyOf("view.*, view.feature, or a role", text, role), 1), need: true, doc: "write features: [view.*]"},
		field{key: "log", shape: object("a mapping of sample", field{key: "sample", shape: sample, doc: "Which part of the lookups is logged; 1.0."}), doc: "The prediction log."},
		field{key: "freshness", doc: "How old an answer may be.", shape: object("a mapping of max_age and on_stale",
			field{key: "max_age", shape: lengthShape(), need: true, doc: "write max_age: 5m"},
			field{key: "on_stale", shape: wordShape("on_stale", []string{"status", "default", "fail"}, nil), doc: "What a stale value becomes: status."})},
		field{key: "models", shape: listOf(model, 0), doc: "The models that use it, as name:version."})
	s.doc = "The features of a model."
	return s
}

func checkModel(text string) error {
	name, version, ok := strings.Cut(text, ":")
	if !ok || name == "" || version == "" || strings.ContainsAny(text, " \t\n") || strings.Contains(version, ":") {
		return fmt.Errorf("%s is not name:version", quoted(text))
	}
	return nil
}

// serviceBuilder expands one service: its columns, the uses of views that they
// are read from, and the names that a request must bring.
type serviceBuilder struct {
	l       *loader
	d       *document
	service *Service
	roles   map[string]*roleUse // by prefix
	at      map[string]*node    // where each column was named
}

type roleUse struct {
	index int
	view  *document
	named *node // the role's name; nil for the base use of a view
}

func (l *loader) buildService(d *document) {
	n := d.node
	s := &Service{Meta: d.meta, MaxAge: durationOf(n.get("freshness").get("max_age"), 0)}
	switch n.get("freshness").get("on_stale").value() {
	case "default":
		s.OnStale = StaleDefault
	case "fail":
		s.OnStale = StaleFail
	}
	if n.get("log") != nil {
		sample := 1.0
		if f, err := strconv.ParseFloat(n.get("log").get("sample").value(), 64); err == nil {
			sample = f
		}
		s.Log = &sample
	}
	for _, m := range n.get("models").list() {
		s.Models = append(s.Models, m.text)
	}
	b := &serviceBuilder{l: l, d: d, service: s, roles: map[string]*roleUse{}, at: map[string]*node{}}
	before := l.problems.Errors()
	for _, item := range n.get("features").list() {
		if item.form == formObject {
			b.role(item)
		} else {
			b.plain(item)
		}
	}
	b.checkNames()
	d.partial = d.partial || l.problems.Errors() > before
	d.service = s
	l.project.Services = append(l.project.Services, s)
}

// plain adds "view.*" or "view.feature [as name]".
func (b *serviceBuilder) plain(n *node) {
	r, ok := parseReference(n.text)
	if !ok || r.feature == "*" && r.as != "" {
		b.l.problem(n, "write view.*, view.feature or view.feature as name", "%s does not name a feature", quoted(n.text))
		return
	}
	kinds := []string{kindStreamView, kindBatchView, kindOnDemandView}
	if r.feature == "*" {
		d := b.l.findAt(n, extent{r.viewAt, r.viewAt + len(r.view)}, r.view, spaceView, kinds...)
		if d == nil {
			return
		}
		role := b.use(n, d)
		for _, f := range d.columns {
			b.column(n, featurestore.ColumnName(r.view, f.Name), r.view, f, role)
		}
		return
	}
	d, f, ok := b.l.resolve(n, r, kinds...)
	if d == nil {
		return
	}
	name := featurestore.ColumnName(r.view, r.feature)
	if r.as != "" {
		name = r.as
		if err := featurestore.CheckName(name); err != nil {
			b.l.problemAt(n, extent{r.asAt, r.asAt + len(name)}, nameHint(name), "%v", err)
			return
		}
	}
	role := b.use(n, d)
	if ok {
		b.column(n, name, r.view, f, role)
	}
}

// use gives the base use of a view; for an on-demand view those of its inputs,
// and -1.
func (b *serviceBuilder) use(n *node, d *document) int {
	if d.onDemand == nil {
		return b.base(n, d)
	}
	for _, v := range b.service.OnDemand {
		if v == d.onDemand {
			return -1
		}
	}
	b.service.OnDemand = append(b.service.OnDemand, d.onDemand)
	for _, in := range d.onDemand.Inputs {
		if input := b.l.names[spaceView+"/"+in.Ref.View]; input != nil {
			b.base(n, input)
		}
	}
	for _, f := range d.onDemand.Request {
		b.require(n, &b.service.Request, f, "request data")
	}
	return -1
}

func (b *serviceBuilder) base(n *node, d *document) int {
	if r := b.roles[d.meta.Name]; r != nil && r.view == d && r.named == nil {
		return r.index
	}
	entity := d.entityOf()
	if entity == nil {
		return -1
	}
	keys := names(entity.Keys)
	for _, k := range entity.Keys {
		b.require(n, &b.service.Entities, k, "entity column")
	}
	return b.addRole(n, nil, d, d.meta.Name, keys)
}

// entityOf is the entity of a stored view; nil where it is broken.
func (d *document) entityOf() *Entity {
	switch {
	case d.view != nil:
		return d.view.Entity
	case d.batchView != nil:
		return d.batchView.Entity
	}
	return nil
}

// taken stands for a role that could not be added.
const taken = -2

func (b *serviceBuilder) addRole(n, named *node, d *document, prefix string, keys []string) int {
	if r := b.roles[prefix]; r != nil {
		at := n
		if named != nil {
			at = named
		}
		b.l.problem(at, "choose another role", "the role %q is taken: it begins the columns of view %q", prefix, r.view.meta.Name)
		return taken
	}
	index := len(b.service.Roles)
	b.roles[prefix] = &roleUse{index: index, view: d, named: named}
	b.service.Roles = append(b.service.Roles, Role{Prefix: prefix, View: d.meta.Name, Keys: keys})
	return index
}

// role adds {view, as, keys, features}.
func (b *serviceBuilder) role(n *node) {
	as, keys := n.get("as"), n.get("keys")
	if ref := n.get("view"); ref != nil {
		if d := b.l.names[spaceView+"/"+ref.text]; d != nil && d.kind == kindOnDemandView {
			d.used = true
			b.l.problem(ref, "name its features as view.feature: its inputs mean the base views", "the on-demand view %q cannot have a role", ref.text)
			return
		}
	}
	d := b.l.find(n.get("view"), spaceView, kindStreamView, kindBatchView)
	if d == nil || as == nil || keys == nil || d.entityOf() == nil {
		return
	}
	entity := d.entityOf()
	b.l.checkKeyNames(n, entity)
	request := names(entity.Keys)
	for i, k := range entity.Keys {
		at := as
		if from := keys.get(k.Name); from != nil {
			request[i], at = from.text, from
		}
		b.require(at, &b.service.Entities, Field{Name: request[i], Type: k.Type}, "entity column")
	}
	role := b.addRole(n, as, d, as.text, request)
	columns := d.columns
	if role == taken {
		columns = nil
	}
	if n.has("features") {
		columns = nil
		for _, item := range n.get("features").list() {
			if f, ok := b.l.featureOf(item, 0, item.text, d); ok && role != taken {
				columns = append(columns, f)
			}
		}
	}
	for _, f := range columns {
		b.column(n, featurestore.ColumnName(as.text, f.Name), d.meta.Name, f, role)
	}
}

// require adds a name that a request must bring; the same name with another type
// is reported.
func (b *serviceBuilder) require(n *node, have *[]Field, f Field, what string) {
	i := fieldIndex(*have, f.Name)
	switch {
	case i < 0:
		*have = append(*have, f)
	case !(*have)[i].Type.Equal(f.Type):
		b.l.problem(n, "give a role keys: of other names, or rename one of them", "the %s %q would be both %s and %s", what, f.Name, (*have)[i].Type, f.Type)
	}
}

func (b *serviceBuilder) column(n *node, name, view string, f Field, role int) {
	if first := b.at[name]; first != nil {
		b.l.problem(n, "remove one, or rename one with as", "the column %q is there already, by line %d", name, first.line)
		return
	}
	b.at[name] = n
	b.service.Columns = append(b.service.Columns, ServiceColumn{Name: name, Ref: FeatureRef{View: view, Feature: f.Name}, Role: role, Type: f.Type})
}

// spineTime is the column of a spine that holds its instants.
const spineTime = "event_timestamp"

// checkNames reports names that a training set could not tell apart: it has the
// request's columns beside the service's.
func (b *serviceBuilder) checkNames() {
	s := b.service
	for _, f := range s.Request {
		if fieldIndex(s.Entities, f.Name) >= 0 {
			b.l.problem(b.d.nameNode, "rename the request data in its on-demand view, or the key of a role", "%q is both request data and an entity column", f.Name)
		}
	}
	for _, f := range append(append([]Field(nil), s.Entities...), s.Request...) {
		if f.Name == spineTime {
			b.l.problem(b.d.nameNode, "rename it", "%q is the name of a spine's time", f.Name)
		}
	}
	for _, c := range s.Columns {
		if c.Name == spineTime || fieldIndex(s.Entities, c.Name) >= 0 || fieldIndex(s.Request, c.Name) >= 0 {
			b.l.problem(b.at[c.Name], "choose another name with as", "the column %q has the name of a column that a request or a spine brings", c.Name)
		}
	}
}
