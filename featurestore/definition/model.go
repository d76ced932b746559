// Package definition turns YAML files into checked definitions: strictly, all
// problems at once, each with its position and the way out. What it returns is
// typed, compiled and consistent; nothing later checks it again. It reads no
// environment and runs nothing.
package definition

import (
	"time"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/featurestore/codec"
	"github.com/freshet/freshet/featurestore/schema"
	"github.com/freshet/freshet/transforms/expr"
	"github.com/freshet/freshet/transforms/window"
)

// Place is where something stands in the files: line and column count from 1,
// columns in bytes.
type Place struct {
	File         string
	Line, Column int
}

// Meta is what every document may have.
type Meta struct {
	Name        string
	Description string
	Owner       string
	Tags        map[string]string
	Deprecated  *Deprecated
	Place       Place
}

// Deprecated says that a definition should no longer be used.
type Deprecated struct{ Since, Use, Reason string }

// Project is a checked set of definitions, each list ascending by name.
type Project struct {
	Entities      []*Entity
	StreamSources []*StreamSource
	BatchSources  []*BatchSource
	StreamViews   []*StreamView
	BatchViews    []*BatchView
	OnDemandViews []*OnDemandView
	Services      []*Service
	Tests         []*Test
}

// Field is a named, typed column. Path is where a stream's record has it, from
// the record's root (for debezium: from the row); nil: under its name.
type Field struct {
	Name string
	Type featurestore.Type
	PII  bool
	Path []string
}

// At is the path of the field in a record.
func (f *Field) At() []string {
	if f.Path != nil {
		return f.Path
	}
	return []string{f.Name}
}

// Entity is what features are about; its keys are in their declared order.
type Entity struct {
	Meta
	Keys []Field
}

// TimeOrigin says where a record's time stands.
type TimeOrigin uint8

// Origins of a timestamp.
const (
	TimeField TimeOrigin = iota
	TimeHeader
	TimeRecord // the log's own record time
)

// TimeFormat is the declared form of a timestamp; it is never guessed.
type TimeFormat uint8

// Formats of a timestamp.
const (
	FormatRFC3339 TimeFormat = iota
	FormatUnixS
	FormatUnixMS
	FormatUnixUS
	FormatNative // the file's own timestamp type
	FormatLayout // a Go layout
)

// TimeSpec says how to read a time. In Parquet the file's own timestamp type is
// accepted beside any format.
type TimeSpec struct {
	Origin TimeOrigin
	Name   string // field or header
	Format TimeFormat
	Layout string
	Zone   *time.Location // of a time without one; nil refuses such a time
}

// FileFormat is the format of files.
type FileFormat uint8

// File formats.
const (
	Parquet FileFormat = iota
	CSV
	JSONL
)

// Formats of the records of a stream.
const (
	FormatJSON     = "json"
	FormatCSV      = "csv"
	FormatAvro     = "avro"
	FormatProtobuf = "protobuf"
	FormatDebezium = "debezium" // changes of a table's rows, in JSON or, with a schema, in Avro
)

// KeyForm is how a record's key holds the field that records are keyed by.
type KeyForm uint8

// Forms of a record's key.
const (
	KeyText  KeyForm = iota // text; of an int64 its decimal digits; of bytes the bytes
	KeyInt64                // eight bytes, big endian (Kafka's LongSerializer)
	KeyInt32                // four bytes, big endian (Kafka's IntegerSerializer)
)

// SchemaRef is where the schema of a source's records is: a file beside the
// definitions, which every record is written with, or a subject of the schema
// registry, where each record names its own.
type SchemaRef struct {
	File    string
	Subject string
	Message string          // of a Protobuf file
	Digest  [32]byte        // SHA-256 of the file and, of a .proto file, of all others
	Avro    *schema.Avro    // of an Avro file
	Proto   *schema.Message // of a Protobuf file
}

// ChangeTime is the timestamp field of a debezium source that takes the time of
// the change for the event time; its rows can then only be added.
const ChangeTime = "source.ts_ms"

// StreamSource is a stream of events. Key (what records are keyed by), EventID
// and Sequence are indexes into Fields, -1 for none.
type StreamSource struct {
	Meta
	Topic           string
	Connection      string
	Format          string
	Schema          *SchemaRef // nil: none is needed
	Columns         []string   // of csv, in the order of the record
	Separator       byte       // of csv
	Timestamp       TimeSpec
	Fields          []Field
	Key             int
	KeyForm         KeyForm
	EventID         int
	Sequence        int
	AllowedLateness featurestore.Duration
	ApplyDelay      featurestore.Duration
	Where           *expr.Program // over Fields; nil keeps all
	History         *History
}

// Changes reports whether the records are changes of rows, which take rows away
// as well as add them.
func (s *StreamSource) Changes() bool { return s.Format == FormatDebezium }

// BatchSource is a warehouse table: files, or a query over files. The fields
// are declared or, where they are not, those that its views name.
type BatchSource struct {
	Meta
	Files       []string
	Format      FileFormat
	Timestamp   TimeSpec
	AvailableAt *TimeSpec // nil: timestamp + Delay
	Delay       featurestore.Duration
	Fields      []Field
}

// Binding is how a stream view reads one of its sources. All programs run over
// the source's Fields. Keys gives the entity's keys in order; Inputs is parallel
// to every other binding's and is what window.Row.Inputs holds.
type Binding struct {
	Source *StreamSource
	Where  *expr.Program // the view's where; nil keeps all
	Keys   []*expr.Program
	Inputs []*expr.Program
}

// StreamView is a windowed feature view. Bindings ascend by source name;
// Features are the output columns, windows expanded, in declared order, and
// index the results of Plan.Read.
type StreamView struct {
	Meta
	Entity   *Entity
	Bindings []Binding
	Features []window.Feature
	TTL      featurestore.Duration
	Plan     *window.Plan
	Hash     codec.Hash
}

// BatchFeature is one column of a batch view: the latest value of an expression
// over the source's fields (a plain column is the expression of its name), or an
// aggregate.
type BatchFeature struct {
	Name      string
	Type      featurestore.Type
	Expr      *expr.Program      // nil for an aggregate
	Aggregate int                // without Expr: its place among the view's Aggregates
	Empty     featurestore.Value // without Expr: what an unknown entity has, before the default
	Default   featurestore.Value
}

// Schedule says when a batch view's runs are due, in UTC.
type Schedule struct {
	Text string // "", "hourly", "daily" or a cron expression, as written
	cron cron   // Text, compiled; zero for none
}

// BatchView is what a run makes of each entity's rows in a warehouse table: the
// latest row, and aggregates as of the run's cutoff. Aggregates are in the order
// of their features, without defaults; Inputs, over the source's fields, are what
// window.Row.Inputs holds.
type BatchView struct {
	Meta
	Entity     *Entity
	Source     *BatchSource
	Keys       []*expr.Program
	TTL        featurestore.Duration // of latest values; 0: none
	Schedule   Schedule
	Features   []BatchFeature
	Inputs     []*expr.Program
	Aggregates []window.Feature
	Plan       *window.Plan // of Aggregates; nil for none
	Hash       codec.Hash
}

// Config is the view's aggregates as the engine sees them. Rows of a table are
// never late.
func (v *BatchView) Config() window.Config {
	return window.Config{Features: v.Aggregates, Sources: []window.SourceRule{{}}}
}

// FeatureRef names a feature of a view.
type FeatureRef struct{ View, Feature string }

// Input is one input of an on-demand view; As is its name in expressions.
type Input struct {
	Ref  FeatureRef
	As   string
	Type featurestore.Type
}

// OnDemandFeature is computed at the moment of a lookup. Its program runs over
// the view's inputs followed by its request data.
type OnDemandFeature struct {
	Name    string
	Type    featurestore.Type
	Expr    *expr.Program
	Default featurestore.Value
}

// OnDemandView computes from other features and request data.
type OnDemandView struct {
	Meta
	Inputs   []Input
	Request  []Field
	Features []OnDemandFeature
	Hash     codec.Hash
}

// Role is one use of a view by a service. Prefix is the view's name, or the
// role's; Keys names, for each key of the entity in order, the column of a
// request or spine that gives it.
type Role struct {
	Prefix string
	View   string
	Keys   []string
}

// ServiceColumn is one column of a service's answer, in order. Role indexes
// Service.Roles; it is -1 for a feature of an on-demand view.
type ServiceColumn struct {
	Name string // view__feature, role__feature, or its "as"
	Ref  FeatureRef
	Role int
	Type featurestore.Type
}

// OnStale says what a stale value becomes.
type OnStale uint8

// What on_stale asks for.
const (
	StaleStatus OnStale = iota
	StaleDefault
	StaleFail
)

// Service is a named list of features, as a model uses it. Roles holds every
// stored view that it reads (also those that only on-demand views need); the
// base use of a view has the view's name as prefix. Entities are the columns
// that a request or spine must have, in order of first use; Request is its
// request data.
type Service struct {
	Meta
	Roles    []Role
	Columns  []ServiceColumn
	OnDemand []*OnDemandView
	Entities []Field
	Request  []Field
	Log      *float64 // sample; nil: not logged
	MaxAge   featurestore.Duration
	OnStale  OnStale
	Models   []string
	Hash     codec.Hash
}

// Test is a Test document: events in, expected values out.
type Test struct {
	Meta
	View, Service string
	Events        []TestEvents
	Expect        []Expectation
}

// TestEvents are the records of one source, as JSON objects in log order, or a
// JSON lines file.
type TestEvents struct {
	Source string
	JSON   [][]byte
	File   string
}

// Expectation is what a lookup at an instant must give.
type Expectation struct {
	Place   Place
	At      featurestore.Instant
	Keys    map[string]featurestore.Value
	Request map[string]featurestore.Value
	Values  []ExpectedValue
}

// ExpectedValue is one expected cell; Status 0 is not compared.
type ExpectedValue struct {
	Place   Place
	Feature string
	Value   featurestore.Value
	Status  featurestore.Status
}
