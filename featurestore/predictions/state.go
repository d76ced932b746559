package predictions

import (
	"fmt"
	"slices"
	"strconv"

	"github.com/valyala/fastjson"

	"github.com/freshet/freshet/featurestore"
)

// appendState writes what a role of a row was read from, as one JSON object:
// {"view","generation","watermark","applied":[{"source","generation",
// "partition","offset","max_log_time"}]} for a stream view, with "run" in place
// of watermark and applied for a batch view. Instants are RFC 3339.
func appendState(b []byte, r *Role, s *State) []byte {
	b = appendText(append(b, `{"view":`...), r.View)
	b = strconv.AppendUint(append(b, `,"generation":`...), uint64(s.Generation), 10)
	if len(r.Sources) == 0 {
		return append(appendText(append(b, `,"run":`...), s.Run), '}')
	}
	if s.HasWatermark {
		b = appendText(append(b, `,"watermark":`...), s.Watermark.String())
	}
	b = append(b, `,"applied":[`...)
	for i, e := range s.Applied {
		b = appendText(append(comma(b, i), `{"source":`...), r.Sources[e.Source])
		b = strconv.AppendUint(append(b, `,"generation":`...), uint64(e.Generation), 10)
		b = strconv.AppendInt(append(b, `,"partition":`...), int64(e.Partition), 10)
		b = strconv.AppendInt(append(b, `,"offset":`...), e.Offset, 10)
		b = append(appendText(append(b, `,"max_log_time":`...), e.MaxLogTime.String()), '}')
	}
	return append(b, ']', '}')
}

// stateReader reads states; it is for one goroutine.
type stateReader struct{ parser fastjson.Parser }

func (p *stateReader) read(text string, r *Role, out *State) error {
	v, err := p.parser.Parse(text)
	if err != nil {
		return fmt.Errorf("the state of role %q does not decode: %w", r.Prefix, err)
	}
	*out = State{Generation: uint32(v.GetUint("generation")), RowState: RowState{Run: string(v.GetStringBytes("run"))}}
	if w := v.Get("watermark"); w != nil {
		out.HasWatermark = true
		if out.Watermark, err = instantOf(w); err != nil {
			return fmt.Errorf("the state of role %q: watermark: %w", r.Prefix, err)
		}
	}
	for _, e := range v.GetArray("applied") {
		source := slices.Index(r.Sources, string(e.GetStringBytes("source")))
		if source < 0 {
			return fmt.Errorf("the state of role %q names the source %q, which its header does not", r.Prefix, e.GetStringBytes("source"))
		}
		at, err := instantOf(e.Get("max_log_time"))
		if err != nil {
			return fmt.Errorf("the state of role %q: max_log_time: %w", r.Prefix, err)
		}
		id := featurestore.PartitionID{Source: uint16(source), Generation: uint32(e.GetUint("generation")), Partition: int32(e.GetInt("partition"))}
		out.Applied = append(out.Applied, featurestore.AppliedEntry{PartitionID: id, Offset: e.GetInt64("offset"), MaxLogTime: featurestore.LogTime(at)})
	}
	return nil
}

func instantOf(v *fastjson.Value) (featurestore.Instant, error) {
	b, err := v.StringBytes()
	if err != nil {
		return 0, err
	}
	return featurestore.ParseInstant(string(b))
}
