package definition_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/featurestore/definition"
)

func TestSchemaOfEachKind(t *testing.T) {
	for _, kind := range append(definition.Kinds(), "") {
		raw, err := definition.Schema(kind)
		if err != nil {
			t.Fatal(err)
		}
		compareGolden(t, corpus+"/schema/"+strings.ToLower(kind+"_schema.json"), string(raw)+"\n")
	}
	_, err := definition.Schema("StreamVeiw")
	if !errors.Is(err, featurestore.ErrNotFound) || !strings.Contains(err.Error(), `"StreamView"`) {
		t.Errorf("unknown kind: %v", err)
	}
}

// TestSchemaTakesValidFiles walks the valid documents beside the schema: every
// key that Load takes is one that an editor offers.
func TestSchemaTakesValidFiles(t *testing.T) {
	raw, err := definition.Schema("")
	if err != nil {
		t.Fatal(err)
	}
	var root map[string]any
	if err := json.Unmarshal(raw, &root); err != nil {
		t.Fatal(err)
	}
	kinds := root["$defs"].(map[string]any)
	for _, f := range readDir(t, corpus+"/valid") {
		if definition.IsSchemaFile(f.Path) {
			continue
		}
		decoder := yaml.NewDecoder(strings.NewReader(string(f.Data)))
		for {
			var doc map[string]any
			if decoder.Decode(&doc) != nil {
				break
			}
			if doc != nil {
				if why := mismatch(kinds[doc["kind"].(string)].(map[string]any), doc); why != "" {
					t.Errorf("%s: %s: %s", f.Path, doc["name"], why)
				}
			}
		}
	}
}

// mismatch says where a document does not fit a schema, as far as types, keys,
// required keys, choices and words go.
func mismatch(schema map[string]any, v any) string {
	if choice, ok := schema["anyOf"].([]any); ok {
		var why []string
		for _, one := range choice {
			w := mismatch(one.(map[string]any), v)
			if w == "" {
				return ""
			}
			why = append(why, w)
		}
		return strings.Join(why, "; ")
	}
	switch v := v.(type) {
	case map[string]any:
		return mismatchObject(schema, v)
	case []any:
		if schema["type"] != nil && schema["type"] != "array" {
			return "a list"
		}
		items, _ := schema["items"].(map[string]any)
		for _, item := range v {
			if items != nil {
				if why := mismatch(items, item); why != "" {
					return why
				}
			}
		}
		return ""
	}
	if words, ok := schema["enum"].([]any); ok {
		for _, w := range words {
			if w == v {
				return ""
			}
		}
		return "not one of the words"
	}
	if schema["type"] == "object" || schema["type"] == "array" {
		return "a scalar"
	}
	return ""
}

func mismatchObject(schema, v map[string]any) string {
	if schema["type"] != nil && schema["type"] != "object" {
		return "a mapping"
	}
	properties, fixed := schema["properties"].(map[string]any)
	free, _ := schema["additionalProperties"].(map[string]any)
	for key, value := range v {
		below := free
		if fixed {
			below, _ = properties[key].(map[string]any)
			if below == nil {
				return "unknown key " + key
			}
		}
		if below != nil {
			if why := mismatch(below, value); why != "" {
				return key + ": " + why
			}
		}
	}
	required, _ := schema["required"].([]any)
	for _, key := range required {
		if _, ok := v[key.(string)]; !ok {
			return "needs " + key.(string)
		}
	}
	return ""
}
