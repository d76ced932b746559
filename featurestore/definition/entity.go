package definition

const maxKeys = 8

func entityShape() *shape {
	keys := listOf(object("a mapping of name and type",
		field{key: "name", shape: variableShape(), need: true, doc: "write {name: user_id, type: string}"},
		field{key: "type", shape: keyTypeShape(), need: true, doc: "write {name: user_id, type: string}"}), 1)
	keys.max = maxKeys
	s := object("an entity", field{key: "keys", shape: keys, need: true, doc: "write keys: [{name: user_id, type: string}]"})
	s.doc = "What features are about, by its keys."
	return s
}

func (l *loader) buildEntity(d *document) {
	e := &Entity{Meta: d.meta}
	for _, k := range d.node.get("keys").list() {
		name := k.get("name")
		t, ok := typeOf(k.get("type"))
		if name == nil || !ok {
			continue
		}
		if fieldIndex(e.Keys, name.text) >= 0 {
			l.problem(name, "name each key once", "key %q is declared twice", name.text)
			continue
		}
		e.Keys = append(e.Keys, Field{Name: name.text, Type: t})
	}
	d.entity = e
	l.project.Entities = append(l.project.Entities, e)
}
