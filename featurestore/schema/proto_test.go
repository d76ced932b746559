package schema

import (
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/types/descriptorpb"
	_ "google.golang.org/protobuf/types/known/timestamppb"
	_ "google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/freshet/freshet/featurestore"
)

const orderProto = `syntax = "proto3";
package shop;
import "google/protobuf/timestamp.proto";
import "google/protobuf/wrappers.proto";
import "shop/money.proto";
enum State { NEW = 0; PAID = 1; }
message Order {
  int64 id = 1;
  google.protobuf.Timestamp at = 2;
  optional int32 count = 3;
  State state = 4;
  Money total = 5;
  repeated string tags = 6;
  map<string, double> scores = 7;
  google.protobuf.StringValue note = 8;
  uint64 big = 9;
  Order parent = 10;
  message Line { string sku = 1; }
  repeated Line lines = 11;
}`

const moneyProto = `syntax = "proto3"; package shop; message Money { double amount = 1; string currency = 2; }`

func TestParseProto(t *testing.T) {
	imports := map[string]string{"shop/money.proto": moneyProto}
	m, err := ParseProto("shop/order.proto", orderProto, "shop.Order", imports)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		path string
		typ  featurestore.Type
		says string
	}{
		{"id", featurestore.Int64, ""},
		{"id", featurestore.String, "an integer"},
		{"at", featurestore.Timestamp, ""},
		{"count", featurestore.Int64, ""},
		{"state", featurestore.String, ""},
		{"state", featurestore.Int64, ""},
		{"total.amount", featurestore.Double, ""},
		{"total", featurestore.Double, "a record"},
		{"parent.parent.total.currency", featurestore.String, ""},
		{"tags", featurestore.List(featurestore.String), ""},
		{"tags", featurestore.String, "repeated"},
		{"scores", featurestore.Map(featurestore.Double), ""},
		{"scores", featurestore.Map(featurestore.String), "its elements"},
		{"note", featurestore.String, ""},
		{"big", featurestore.Int64, ""},
		{"lines.sku", featurestore.String, "not one message"},
		{"nope", featurestore.String, "no field"},
	} {
		found, err := m.Find(strings.Split(c.path, "."))
		if err == nil {
			err = found[len(found)-1].Readable(c.typ, Times{})
		}
		if (err == nil) != (c.says == "") || err != nil && !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s as %s: %v, want %q", c.path, c.typ, err, c.says)
		}
	}
	if _, err := ParseProto("o.proto", orderProto, "shop.Nope", imports); err == nil || !strings.Contains(err.Error(), "shop.Order.Line") {
		t.Errorf("no message: %v", err)
	}
	if _, err := ParseProto("o.proto", orderProto, "shop.Order", nil); err == nil {
		t.Error("an import that is not there")
	}
	for index, want := range map[int]string{0: "shop.Order"} {
		if m, err := ParseProtoIndex(orderProto, []int{index}, imports); err != nil || m.Name != want {
			t.Errorf("%v: %v", m, err)
		}
	}
	if m, err := ParseProtoIndex(orderProto, []int{0, 0}, imports); err != nil || m.Name != "shop.Order.Line" {
		t.Errorf("%v: %v", m, err)
	}
	if _, err := ParseProtoIndex(orderProto, []int{7}, imports); err == nil {
		t.Error("an index that is not there")
	}
}

func TestParseDescriptorSet(t *testing.T) {
	f, err := compileProto("shop/order.proto", orderProto, map[string]string{"shop/money.proto": moneyProto})
	if err != nil {
		t.Fatal(err)
	}
	set := &descriptorpb.FileDescriptorSet{}
	for i := range f.Imports().Len() {
		set.File = append(set.File, protodesc.ToFileDescriptorProto(f.Imports().Get(i).FileDescriptor))
	}
	set.File = append(set.File, protodesc.ToFileDescriptorProto(f))
	data, err := proto.Marshal(set)
	if err != nil {
		t.Fatal(err)
	}
	if m, err := ParseDescriptorSet(data, "shop.Order"); err != nil || len(m.Fields) != 11 {
		t.Errorf("%v, %v", m, err)
	}
	if _, err := ParseDescriptorSet(data, "shop.Nope"); err == nil || !strings.Contains(err.Error(), "shop.Order") {
		t.Errorf("no message: %v", err)
	}
	if _, err := ParseDescriptorSet([]byte("nonsense"), "shop.Order"); err == nil {
		t.Error("nonsense is taken for a descriptor set")
	}
}

func FuzzParseAvro(f *testing.F) {
	f.Add(order)
	f.Fuzz(func(t *testing.T, text string) {
		s, err := ParseAvro(text)
		if err == nil && s == nil {
			t.Error("no schema and no error")
		}
	})
}
