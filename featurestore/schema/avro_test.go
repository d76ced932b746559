package schema

import (
	"strings"
	"testing"

	"github.com/freshet/freshet/featurestore"
)

const order = `{"type":"record","name":"Order","namespace":"shop","fields":[
 {"name":"id","type":"long"},
 {"name":"at","type":{"type":"long","logicalType":"timestamp-micros"}},
 {"name":"local","type":{"type":"long","logicalType":"local-timestamp-millis"}},
 {"name":"count","type":["null","int"],"default":null},
 {"name":"state","type":{"type":"enum","name":"State","symbols":["NEW","PAID"]}},
 {"name":"before","type":["null",{"type":"record","name":"Value","fields":[{"name":"amount","type":{"type":"bytes","logicalType":"decimal","precision":10,"scale":2}},{"name":"next","type":["null","Value"]}]}]},
 {"name":"after","type":["null","Value"]},
 {"name":"was","type":"shop.State"},
 {"name":"tags","type":{"type":"array","items":"string"}},
 {"name":"mixed","type":["string","long"]}]}`

func TestParseAvro(t *testing.T) {
	s, err := ParseAvro(order)
	if err != nil {
		t.Fatal(err)
	}
	if s.Name != "shop.Order" || s.Step("before").TheRecord() != s.Step("after").TheRecord() {
		t.Errorf("a named type is one: %+v", s)
	}
	for _, c := range []struct {
		path  string
		typ   featurestore.Type
		times Times
		says  string // "" for readable
	}{
		{"id", featurestore.Int64, Times{}, ""},
		{"id", featurestore.Double, Times{}, ""},
		{"id", featurestore.String, Times{}, "an integer, which is not read as string"},
		{"id", featurestore.Timestamp, Times{}, "declare what it counts"},
		{"id", featurestore.Timestamp, Times{Counted: true}, ""},
		{"at", featurestore.Timestamp, Times{}, ""},
		{"at", featurestore.Int64, Times{}, "a timestamp, which is not read as int64"},
		{"local", featurestore.Timestamp, Times{}, "declare the zone"},
		{"local", featurestore.Timestamp, Times{Zoned: true}, ""},
		{"count", featurestore.Int64, Times{}, ""},
		{"state", featurestore.String, Times{}, ""},
		{"state", featurestore.Int64, Times{}, "an enum"},
		{"was", featurestore.String, Times{}, ""},
		{"before.amount", featurestore.Decimal(10, 2), Times{}, ""},
		{"before.next.next.amount", featurestore.Decimal(10, 2), Times{}, ""},
		{"tags", featurestore.List(featurestore.String), Times{}, ""},
		{"tags", featurestore.List(featurestore.Int64), Times{}, "its elements"},
		{"tags", featurestore.String, Times{}, "an array"},
		{"mixed", featurestore.String, Times{}, ""},
		{"mixed", featurestore.Int64, Times{}, ""},
		{"mixed", featurestore.Bool, Times{}, "text, which is not read as bool"},
		{"nope", featurestore.Bool, Times{}, "no field"},
		{"id.nope", featurestore.Bool, Times{}, "not a record"},
	} {
		n, err := s.Find(strings.Split(c.path, "."))
		if err == nil {
			err = n.Readable(c.typ, c.times)
		}
		if (err == nil) != (c.says == "") || err != nil && !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s as %s: %v, want %q", c.path, c.typ, err, c.says)
		}
	}
}

func TestParseAvroReferences(t *testing.T) {
	s, err := ParseAvro(`{"type":"record","name":"A","fields":[{"name":"b","type":"x.B"}]}`, `{"type":"record","name":"B","namespace":"x","fields":[{"name":"n","type":"long"}]}`)
	if err != nil {
		t.Fatal(err)
	}
	if n, err := s.Find([]string{"b", "n"}); err != nil || n.Kind != Integer {
		t.Errorf("%+v, %v", n, err)
	}
	for _, bad := range []string{``, `{`, `"nope"`, `{"type":"record","name":"A","fields":[{"name":"b","type":"x.B"}]}`, strings.Repeat(" ", MaxSchemaBytes+1)} {
		if _, err := ParseAvro(bad); err == nil {
			t.Errorf("%.40q is taken for a schema", bad)
		}
	}
}
