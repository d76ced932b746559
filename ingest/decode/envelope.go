package decode

// envelope is where the parts of a Debezium record in JSON stand.
type envelope struct {
	payload       []byte
	schema        bool
	before, after []byte // nil: absent or null
	op            string
	at            int64 // milliseconds since 1970
	timed         bool
	flat          bool

	deleted   bool
	source    bool // the member source is an object
	ownTime   int64
	ownTimed  bool
	flatTime  int64
	flatTimed bool
}

// scan finds the parts of a record, without reading its rows. A name that stands
// twice is refused, as everywhere.
func (f *debeziumJSON) scan(value []byte) (env envelope, bad *Error) {
	s := scanner{b: value, maxDepth: f.d.opts.MaxDepth}
	if s.peek() != '{' {
		s.syntax("a JSON object")
		return env, s.err
	}
	s.pos++
	names := &f.names
	names.reset()
	flatOpText := ""
	for first := true; s.err == nil && !(first && s.accept('}')); first = false {
		s.peek()
		name, escaped := s.str()
		if escaped {
			name = unescape(nil, name)
		}
		s.expect(':', "a colon")
		if s.err == nil && !names.add(name) {
			s.fail(CodeDuplicate, "a name stands twice in the object, again at byte %d", s.pos)
		}
		if s.err != nil {
			break
		}
		s.peek()
		start := s.pos
		if s.skip(1); s.err != nil {
			break
		}
		raw := value[start:s.pos]
		switch string(name) {
		case "payload":
			env.payload = raw
		case "schema":
			env.schema = true
		case memberBefore:
			env.before = notNull(raw)
		case memberAfter:
			env.after = notNull(raw)
		case memberOp:
			env.op = plainText(raw)
		case memberTime:
			env.ownTime, env.ownTimed = millis(raw)
		case memberSource:
			if raw[0] == '{' {
				env.source = true
				env.at, env.timed = sourceTime(raw, f.d.opts.MaxDepth)
			}
		case flatOp:
			flatOpText = plainText(raw)
		case flatDeleted:
			env.deleted = plainText(raw) == "true" || string(raw) == "true"
		case flatSourceTime:
			env.flatTime, env.flatTimed = millis(raw)
		case flatTime:
			if !env.flatTimed {
				env.flatTime, env.flatTimed = millis(raw)
			}
		}
		if s.accept('}') {
			break
		}
		s.expect(',', "a comma or the end of the object")
	}
	if s.err == nil && (s.peek() != 0 || s.pos < len(value)) {
		s.syntax("nothing after the object")
	}
	env.decide(flatOpText)
	return env, s.err
}

// decide tells an envelope from a flattened row: a row may well have a column of
// the name op, but hardly one named source that is an object besides.
func (e *envelope) decide(flatOpText string) {
	if e.op != "" && (e.source || e.before != nil || e.after != nil) {
		if !e.timed {
			e.at, e.timed = e.ownTime, e.ownTimed
		}
		return
	}
	e.flat, e.op = true, flatOpText
	e.before, e.after = nil, nil
	e.at, e.timed = e.flatTime, e.flatTimed
	if e.deleted {
		e.op = "d"
	}
}

func notNull(raw []byte) []byte {
	if raw[0] == 'n' {
		return nil
	}
	return raw
}

// plainText is a string without escapes; "" for anything else.
func plainText(raw []byte) string {
	if len(raw) < 2 || raw[0] != '"' {
		return ""
	}
	return string(raw[1 : len(raw)-1])
}

func millis(raw []byte) (int64, bool) {
	n, err := parseInt64(raw)
	return n, err == nil
}

// sourceTime finds ts_ms in the source of a change; the text was checked.
func sourceTime(raw []byte, maxDepth int) (at int64, ok bool) {
	s := scanner{b: raw, pos: 1, maxDepth: maxDepth}
	for s.err == nil && s.peek() == '"' {
		name, _ := s.str()
		s.expect(':', "a colon")
		s.peek()
		start := s.pos
		s.skip(1)
		if s.err == nil && string(name) == memberTime {
			return millis(raw[start:s.pos])
		}
		if !s.accept(',') {
			break
		}
	}
	return 0, false
}
