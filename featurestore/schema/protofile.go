package schema

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/bufbuild/protocompile"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"
)

// ParseDescriptorSet finds a message in a compiled FileDescriptorSet, as
// `protoc --include_imports --descriptor_set_out` and `buf build` write it.
func ParseDescriptorSet(data []byte, message string) (*Message, error) {
	if len(data) > MaxSchemaBytes {
		return nil, fmt.Errorf("the descriptor set has %d bytes; at most %d are read", len(data), MaxSchemaBytes)
	}
	var set descriptorpb.FileDescriptorSet
	if err := proto.Unmarshal(data, &set); err != nil {
		return nil, fmt.Errorf("it is not a descriptor set: %w", err)
	}
	files, err := protodesc.NewFiles(&set)
	if err != nil {
		return nil, fmt.Errorf("the descriptor set is not whole (write it with its imports): %w", err)
	}
	d, err := files.FindDescriptorByName(protoreflect.FullName(message))
	if err != nil {
		var have []string
		files.RangeFiles(func(f protoreflect.FileDescriptor) bool { have = append(have, messagesOf(f)...); return true })
		return nil, noMessage(message, have)
	}
	m, ok := d.(protoreflect.MessageDescriptor)
	if !ok {
		return nil, fmt.Errorf("%q is not a message", message)
	}
	return newMessage(m)
}

// ParseProto compiles a .proto file and gives one of its messages. imports gives
// the texts of the files that it imports, by the names by which they are
// imported; those of google/protobuf are known.
func ParseProto(name, text, message string, imports map[string]string) (*Message, error) {
	f, err := compileProto(name, text, imports)
	if err != nil {
		return nil, err
	}
	for _, d := range allMessages(f) {
		if string(d.FullName()) == message {
			return newMessage(d)
		}
	}
	return nil, noMessage(message, messagesOf(f))
}

// ParseProtoIndex is ParseProto for a message that is named by its place: the
// index in the file, then within each message around the next.
func ParseProtoIndex(text string, index []int, imports map[string]string) (*Message, error) {
	f, err := compileProto("schema.proto", text, imports)
	if err != nil {
		return nil, err
	}
	at := declared(f.Messages())
	var d protoreflect.MessageDescriptor
	for _, i := range index {
		if i < 0 || i >= len(at) {
			return nil, fmt.Errorf("the schema has no message at the index %v", index)
		}
		d = at[i]
		at = declared(d.Messages())
	}
	if d == nil {
		return nil, errors.New("the index of the message is empty")
	}
	return newMessage(d)
}

// ParseProtoMessages gives all messages of a .proto file that can be read, those
// within others too, in their order; where none can, the error is the first's.
func ParseProtoMessages(text string, imports map[string]string) ([]*Message, error) {
	f, err := compileProto("schema.proto", text, imports)
	if err != nil {
		return nil, err
	}
	var out []*Message
	first := errors.New("the schema has no message")
	for i, d := range allMessages(f) {
		m, err := newMessage(d)
		if err == nil {
			out = append(out, m)
		} else if i == 0 {
			first = err
		}
	}
	if len(out) == 0 {
		return nil, first
	}
	return out, nil
}

// declared are the messages that stand in the text: a map's entry is one that the
// compiler makes, and indexes do not count it.
func declared(list protoreflect.MessageDescriptors) []protoreflect.MessageDescriptor {
	var out []protoreflect.MessageDescriptor
	for i := range list.Len() {
		if d := list.Get(i); !d.IsMapEntry() {
			out = append(out, d)
		}
	}
	return out
}

func compileProto(name, text string, imports map[string]string) (protoreflect.FileDescriptor, error) {
	sources := map[string]string{}
	size := len(text)
	for n, t := range imports {
		sources[n] = t
		size += len(t)
	}
	if size > MaxSchemaBytes {
		return nil, fmt.Errorf("the schema and its imports have %d bytes; at most %d are read", size, MaxSchemaBytes)
	}
	sources[name] = text
	c := protocompile.Compiler{
		Resolver:       protocompile.WithStandardImports(&protocompile.SourceResolver{Accessor: protocompile.SourceAccessorFromMap(sources)}),
		MaxParallelism: 1,
	}
	files, err := c.Compile(context.Background(), name)
	if err != nil {
		return nil, fmt.Errorf("it is not a Protobuf schema: %w", err)
	}
	return files[0], nil
}

// allMessages lists the messages of a file, nested ones too.
func allMessages(f protoreflect.FileDescriptor) []protoreflect.MessageDescriptor {
	var out []protoreflect.MessageDescriptor
	var walk func(protoreflect.MessageDescriptors)
	walk = func(list protoreflect.MessageDescriptors) {
		for _, d := range declared(list) {
			out = append(out, d)
			walk(d.Messages())
		}
	}
	walk(f.Messages())
	return out
}

func messagesOf(f protoreflect.FileDescriptor) []string {
	var out []string
	for _, d := range allMessages(f) {
		if d.ParentFile().Package() != "google.protobuf" {
			out = append(out, string(d.FullName()))
		}
	}
	return out
}

func noMessage(message string, have []string) error {
	if len(have) > 20 {
		have = append(have[:20:20], "...")
	}
	return fmt.Errorf("there is no message %q; there is %s", message, strings.Join(have, ", "))
}
