package predlog

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"go.uber.org/goleak"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/featurestore/definition"
	"github.com/freshet/freshet/featurestore/predictions"
	"github.com/freshet/freshet/serving/service"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const noon = featurestore.Instant(1357041600e6) // 2013-01-01T12:00:00Z

// served is a lookup as the server hands it over.
type served struct {
	plan    *service.Compiled
	request *service.Request
	answer  *service.Answer
	at      featurestore.Instant
}

func (s *served) log(l *Logger) { l.Log(s.plan, s.request, s.answer, s.at) }

// planOf is the plan of a service of a header, sampled.
func planOf(h *predictions.Header, sample float64) *service.Compiled {
	fields := func(in []predictions.Field) []definition.Field {
		var out []definition.Field
		for _, f := range in {
			out = append(out, definition.Field{Name: f.Name, Type: f.Type})
		}
		return out
	}
	return &service.Compiled{Name: h.Service, Spec: &definition.Service{Log: &sample}, Entities: fields(h.Entities), Inputs: fields(h.Request)}
}

// serve makes of a logged lookup what a server would have handed over.
func serve(plan *service.Compiled, l *predictions.Lookup) *served {
	s := &served{plan: plan, at: l.LoggedAt}
	s.request = &service.Request{ID: l.RequestID, Rows: l.Rows(), Entities: l.Entities, Inputs: l.Request}
	if l.AsOf {
		s.request.AsOf = &l.ReadTimes[0]
	}
	s.answer = &service.Answer{Service: plan.Name, Revision: l.Revision, RequestID: l.RequestID, ReadTimes: l.ReadTimes}
	for i, f := range l.Header.Columns {
		s.answer.Columns = append(s.answer.Columns, service.Column{Name: f.Name, Type: f.Type, Cells: l.Columns[i]})
	}
	for i, r := range l.Header.Roles {
		role := service.Role{View: r.View, Sources: r.Sources, Generation: l.Roles[i].Generation, Watermark: l.Roles[i].Watermark, HasWatermark: l.Roles[i].HasWatermark}
		if r.Prefix != r.View {
			role.As = r.Prefix
		}
		for _, state := range l.Roles[i].Rows {
			role.Rows = append(role.Rows, service.RowState{Applied: state.Applied, Run: state.Run})
		}
		s.answer.Roles = append(s.answer.Roles, role)
	}
	return s
}

// small is a lookup of a service of one key and one column.
func small(name, id string, at featurestore.Instant) *predictions.Lookup {
	return &predictions.Lookup{
		Header: &predictions.Header{
			Service: name, Entities: []predictions.Field{{Name: "user", Type: featurestore.String}},
			Columns: []predictions.Field{{Name: "v__n", Type: featurestore.Int64}}, Roles: []predictions.Role{{Prefix: "v", View: "v", Sources: []string{"clicks"}}},
		},
		RequestID: id, LoggedAt: at, Revision: 1, ReadTimes: []featurestore.Instant{at},
		Entities: [][]featurestore.Value{{featurestore.StringValue("u" + id)}},
		Columns:  [][]featurestore.Cell{{{Value: featurestore.Int64Value(int64(len(id))), Status: featurestore.Present}}},
		Roles: []predictions.RoleRead{{Generation: 1, Rows: []predictions.RowState{
			{Applied: featurestore.Applied{{PartitionID: featurestore.PartitionID{Generation: 1}, Offset: 7, MaxLogTime: featurestore.LogTime(at - 1)}}},
		}}},
	}
}

func logSmall(l *Logger, name, id string, at featurestore.Instant) {
	lookup := small(name, id, at)
	serve(planOf(lookup.Header, 1), lookup).log(l)
}

func mustOpen(t *testing.T, o Options) *Logger {
	t.Helper()
	l, err := Open(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() }) // tests that care close it themselves
	return l
}

// ids are the request ids on record, in order.
func ids(t *testing.T, dir, name string) []string {
	t.Helper()
	var out []string
	err := predictions.Read(context.Background(), predictions.Query{Dir: dir, Service: name}, func(r *predictions.Row) error {
		out = append(out, r.RequestID)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func want(t *testing.T, dir, name string, expected ...string) {
	t.Helper()
	got := ids(t, dir, name)
	slices.Sort(got)
	slices.Sort(expected)
	if !slices.Equal(got, expected) {
		t.Fatalf("on record: %v, want %v", got, expected)
	}
}

// filesIn lists the files below a folder with an ending, with their bytes.
func filesIn(t *testing.T, dir, suffix string) map[string]string {
	t.Helper()
	out := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, suffix) {
			return err
		}
		data, err := os.ReadFile(path)
		out[path] = string(data)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// disk is a segment file on a disk that fails, or stands still, on demand.
type disk struct {
	mu     sync.Mutex
	err    error
	hold   chan struct{} // writes wait until it is closed
	cut    int           // bytes that get through before the error
	create error
	writes chan struct{} // told of each write that failed, where there is room
}

func (d *disk) set(err error, cut int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.err, d.cut = err, cut
}

func (d *disk) open(path string) (segmentFile, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.create != nil {
		return nil, d.create
	}
	f, err := createSegment(path)
	return &diskFile{f, d}, err
}

type diskFile struct {
	segmentFile
	d *disk
}

func (f *diskFile) WriteAt(p []byte, at int64) (int, error) {
	f.d.mu.Lock()
	err, cut, hold := f.d.err, f.d.cut, f.d.hold
	f.d.mu.Unlock()
	if hold != nil {
		<-hold
	}
	if err == nil {
		return f.segmentFile.WriteAt(p, at)
	}
	n, writeErr := f.segmentFile.WriteAt(p[:min(cut, len(p))], at)
	select {
	case f.d.writes <- struct{}{}:
	default:
	}
	return n, errors.Join(err, writeErr)
}
