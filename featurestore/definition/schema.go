package definition

import (
	"encoding/json"

	"github.com/freshet/freshet/featurestore"
)

const schemaDialect = "https://json-schema.org/draft/2020-12/schema"

// Schema is the JSON Schema (draft 2020-12) of one kind of document, or of all
// for "", for editors. It is made of the shapes that Load checks; what Load
// checks beyond them (references, expressions) no schema can say. An unknown
// kind is ErrNotFound.
func Schema(kind string) ([]byte, error) {
	g := grammar()
	var root map[string]any
	switch {
	case kind == "":
		defs, choice := map[string]any{}, []any{}
		for _, k := range Kinds() {
			defs[k] = g[k].schema()
			choice = append(choice, map[string]any{"$ref": "#/$defs/" + k})
		}
		root = map[string]any{"title": "Freshet definition", "oneOf": choice, "$defs": defs}
	case g[kind] == nil:
		return nil, featurestore.NotFoundf("unknown kind %q: %s", kind, suggest(kind, Kinds(), "use "+list(Kinds())))
	default:
		root = g[kind].schema()
		root["title"] = kind
	}
	root["$schema"] = schemaDialect
	return json.MarshalIndent(root, "", "  ")
}

func (s *shape) schema() map[string]any {
	out := map[string]any{}
	switch {
	case s.any:
	case len(s.alts) > 0:
		var choice []any
		for _, alt := range s.alts {
			choice = append(choice, alt.schema())
		}
		out["anyOf"] = choice
	case s.form == formScalar:
		s.scalarSchema(out)
	case s.form == formList:
		out["type"], out["items"] = "array", s.elem.schema()
		bounds(out, "minItems", "maxItems", s.min, s.max)
	case s.fields != nil:
		s.objectSchema(out)
	default:
		out["type"], out["additionalProperties"] = "object", s.elem.schema()
		if s.keys != nil {
			out["propertyNames"] = s.keys.schema()
		}
		bounds(out, "minProperties", "maxProperties", s.min, s.max)
	}
	if s.doc != "" {
		out["description"] = s.doc
	}
	return out
}

func bounds(out map[string]any, low, high string, least, most int) {
	if least > 0 {
		out[low] = least
	}
	if most > 0 {
		out[high] = most
	}
}

func (s *shape) scalarSchema(out map[string]any) {
	names := map[string]string{tagString: "string", tagTimestamp: "string", tagInt: "integer", tagFloat: "number", tagBool: "boolean", tagNull: "null"}
	var types []string
	for _, tag := range s.tags {
		if len(types) == 0 || types[len(types)-1] != names[tag] {
			types = append(types, names[tag])
		}
	}
	switch {
	case len(types) == 1:
		out["type"] = types[0]
	default:
		out["type"] = types
	}
	text := map[string]any{}
	if s.most > 0 {
		text["minimum"], text["maximum"] = s.least, s.most
	}
	if s.pattern != "" {
		text["pattern"] = s.pattern
	}
	switch {
	case len(s.words) == 0:
	case types[0] == "boolean":
		out["const"] = true
		return
	case s.check == nil:
		text["enum"] = s.words
	default: // words beside a checked text
		out["anyOf"] = []any{map[string]any{"enum": s.words}, text}
		return
	}
	for k, v := range text {
		out[k] = v
	}
}

// objectSchema leaves out keys that this version refuses, so that an editor
// does not offer them.
func (s *shape) objectSchema(out map[string]any) {
	properties, required := map[string]any{}, []string{}
	for _, f := range s.fields {
		if f.later {
			continue
		}
		p := f.shape.schema()
		if f.doc != "" {
			p["description"] = f.doc
		}
		properties[f.key] = p
		if f.need {
			required = append(required, f.key)
		}
	}
	out["type"], out["properties"], out["additionalProperties"] = "object", properties, false
	if len(required) > 0 {
		out["required"] = required
	}
	var groups []any
	for _, group := range s.oneOf {
		var choice []any
		for _, key := range group {
			if f := s.field(key); f != nil && !f.later {
				choice = append(choice, map[string]any{"required": []string{key}})
			}
		}
		groups = append(groups, map[string]any{"oneOf": choice})
	}
	if len(groups) > 0 {
		out["allOf"] = groups
	}
}
