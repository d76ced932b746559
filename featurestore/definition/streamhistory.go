package definition

import (
	"github.com/freshet/freshet/featurestore"
)

// History is the same events from files: source generation 0, or, where their
// rows carry positions, the source's first log.
type History struct {
	Files       []string // globs, relative to the root of the definitions
	Format      FileFormat
	AvailableAt *TimeSpec // nil: the event time

	// Cutover parts files and topic by the log time of each record alone: what is
	// older comes from the files, the rest from the topic. Nil: they are not parted.
	Cutover *featurestore.LogTime

	// Positions are the columns that hold the place of a row in the topic; the
	// topic gives what lies behind. Nil: the rows have none.
	Positions *PositionColumns
}

// PositionColumns name the columns of a file that hold positions.
type PositionColumns struct{ Partition, Offset string }

// Joined reports whether files and topic are one history, each event in one of
// them: what is built from history needs the files too.
func (s *StreamSource) Joined() bool {
	return s.History != nil && (s.History.Cutover != nil || s.History.Positions != nil)
}

// FromFiles reports whether a record of this log time comes from the history
// files, so that the topic's counts for nothing.
func (s *StreamSource) FromFiles(at featurestore.LogTime) bool {
	return s.History != nil && s.History.Cutover != nil && at < *s.History.Cutover
}

func historyShape() *shape {
	time := anyOf("the name of a field, or {field, format}", nameShape(), fileTimeShape())
	return object("a mapping of files and format",
		field{key: "files", shape: listOf(globShape(), 1), need: true, doc: "write files: [data/*.parquet]"},
		field{key: "format", shape: wordShape("format", []string{"parquet", "csv", "jsonl"}, nil), need: true, doc: "write format: parquet, csv or jsonl"},
		field{key: "available_at", shape: time, doc: "The field that says when the log had the event; its event time by default."},
		field{key: "cutover", shape: instantShape(), doc: "The log time from which on the topic gives the events; those before come from the files."},
		field{key: "partition", shape: filledTextShape("the name of a column"), doc: "The column that holds a row's partition in the topic."},
		field{key: "offset", shape: filledTextShape("the name of a column"), doc: "The column that holds a row's offset in the topic, which gives the events behind the last."})
}

func (l *loader) history(n *node, s *StreamSource, timed bool) *History {
	if n == nil {
		return nil
	}
	h := &History{Format: fileFormat(n.get("format"))}
	for _, glob := range n.get("files").list() {
		h.Files = append(h.Files, glob.text)
	}
	if timed && s.Timestamp.Origin != TimeField {
		l.problem(n, "give the time a field", "history of a source timed by its records or their headers is not supported yet: files have neither")
	}
	available := n.get("available_at")
	switch {
	case available == nil:
	case available.form == formScalar:
		spec := s.Timestamp
		spec.Name = available.text
		h.AvailableAt = &spec
	default:
		if spec, ok := l.timeSpec(available, h.Format == Parquet); ok {
			h.AvailableAt = &spec
		}
	}
	if h.AvailableAt != nil && timed {
		l.checkTimeField(available, *h.AvailableAt, s.Fields)
	}
	l.cutover(n, h)
	l.positions(n, h, s)
	return h
}

// cutover reads where the topic takes over by time.
func (l *loader) cutover(n *node, h *History) {
	at := n.get("cutover")
	if at == nil {
		return
	}
	if !n.has("available_at") {
		l.problem(n.key("cutover"), "write available_at: FIELD, the time at which the log had the row", "cutover parts records by their log time, and the rows of these files have none")
	}
	if n.has("partition") || n.has("offset") {
		l.problem(n.key("cutover"), "keep cutover, or partition and offset", "files and topic are joined either at a time or by position")
	}
	instant, err := featurestore.ParseInstant(at.text)
	if err != nil {
		return // its shape has said so
	}
	t := featurestore.LogTime(instant)
	h.Cutover = &t
}

// positions reads which columns hold the rows' positions.
func (l *loader) positions(n *node, h *History, s *StreamSource) {
	partition, offset := n.get("partition"), n.get("offset")
	switch {
	case partition == nil && offset == nil:
		return
	case !n.has("offset"):
		l.problem(n.key("partition"), "write offset: COLUMN too", "a position is a partition and an offset")
		return
	case !n.has("partition"):
		l.problem(n.key("offset"), "write partition: COLUMN too", "a position is a partition and an offset")
		return
	case partition == nil || offset == nil:
		return // its shape has said so
	case partition.text == offset.text:
		l.problem(offset, "name the column that holds the offset", "partition and offset are both column %q", offset.text)
		return
	case s.Changes():
		l.problem(n.key("partition"), "write cutover: TIME instead", "a change may be two rows of one position, and a file's rows are each added: the history of a change feed has no positions")
		return
	}
	for _, column := range []*node{partition, offset} {
		if i := fieldIndex(s.Fields, column.text); i >= 0 {
			l.problem(column, "give the column of positions another name", "%q is a field of the event, too", column.text)
		}
	}
	h.Positions = &PositionColumns{Partition: partition.text, Offset: offset.text}
}
