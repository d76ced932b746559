package predictions

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/freshet/freshet/featurestore"
)

// Query asks for logged rows.
type Query struct {
	Dir     string // the offline folder
	Service string
	Within  Range // of logged_at
	Outputs bool  // join the outputs that models logged, by request id and row
}

// Read gives the logged rows of a service: those of sealed files in the order of
// (file, row), files by their first records, then those that running or ended servers have written ahead
// and nobody has sealed yet. It may run beside servers; what they log meanwhile
// may or may not be seen, and nothing is seen twice. Rows are the callee's.
func Read(ctx context.Context, q Query, each func(*Row) error) error {
	s, err := openSnapshot(q.Dir)
	if err != nil {
		return err
	}
	defer s.close()
	if q.Outputs {
		outputs, err := s.outputs(ctx, q)
		if err != nil {
			return err
		}
		inner := each
		each = func(r *Row) error {
			r.Predictions = outputs[place{r.RequestID, r.Number}]
			return inner(r)
		}
	}
	return s.rows(ctx, q, each)
}

// ReadOutputs gives the logged outputs of models, in the order of Read.
func ReadOutputs(ctx context.Context, dir string, within Range, each func(*Prediction) error) error {
	s, err := openSnapshot(dir)
	if err != nil {
		return err
	}
	defer s.close()
	return s.eachOutput(ctx, dir, within, each)
}

// snapshot is the write-ahead segments as they were found: they stay readable
// when they are sealed and removed meanwhile. It is taken before the sealed files
// are listed, so that each record stands in one of both.
type snapshot struct{ segments []segmentFile }

type segmentFile struct {
	id SegmentID
	f  *os.File
}

func openSnapshot(dir string) (*snapshot, error) {
	s := &snapshot{}
	sessions, err := readDir(WALFolder(dir))
	if err != nil {
		return nil, err
	}
	for _, session := range sessions {
		names, err := readDir(filepath.Join(WALFolder(dir), session))
		if err != nil {
			s.close()
			return nil, err
		}
		for _, name := range names {
			n, ok := SegmentNumber(name)
			if !ok {
				continue
			}
			id := SegmentID{session, n}
			f, err := os.Open(SegmentPath(dir, id))
			if errors.Is(err, fs.ErrNotExist) { // sealed since it was listed
				continue
			}
			if err != nil {
				s.close()
				return nil, featurestore.Unavailablef("the prediction log cannot be read: %w", err)
			}
			s.segments = append(s.segments, segmentFile{id, f})
		}
	}
	return s, nil
}

func (s *snapshot) close() {
	for _, f := range s.segments {
		f.f.Close() //nolint:errcheck // it was only read
	}
}

func (s *snapshot) rows(ctx context.Context, q Query, each func(*Row) error) error {
	if err := featurestore.CheckName(q.Service); err != nil {
		return featurestore.Invalidf("service: %w", err)
	}
	found, err := sealedFiles(q.Dir, q.Service, q.Within)
	if err != nil {
		return err
	}
	within := func(r *Row) error {
		if !q.Within.Contains(r.LoggedAt) {
			return nil
		}
		return each(r)
	}
	for _, f := range found {
		if err := rowsFile(ctx, f.path, within); err != nil {
			return err
		}
	}
	return s.unsealed(ctx, found, func(rec *Record) error {
		if rec.Header == nil || rec.Header.Service != q.Service || !q.Within.Contains(rec.LoggedAt) {
			return nil
		}
		l, err := rec.Lookup()
		if err != nil {
			return err
		}
		for i := range l.Rows() {
			if err := each(l.Row(i)); err != nil {
				return err
			}
		}
		return nil
	})
}

// unsealed gives the records of segments of which no file was found. Torn and
// damaged ends are left out: the server counts them when it seals.
func (s *snapshot) unsealed(ctx context.Context, found []sealedFile, each func(*Record) error) error {
	sealed := map[key]bool{}
	for _, f := range found {
		sealed[key{f.name.Segment, f.name.Schema}] = true
	}
	for _, f := range s.segments {
		data, err := io.ReadAll(io.NewSectionReader(f.f, 0, 1<<62))
		if err != nil {
			return featurestore.Unavailablef("the prediction log cannot be read: %w", err)
		}
		segment, err := ReadSegment(data)
		if err != nil {
			return featurestore.Invalidf("segment %s: %w", f.id, err)
		}
		for i := range segment.Records {
			rec := &segment.Records[i]
			if sealed[key{f.id, rec.Schema}] {
				continue
			}
			if err := errors.Join(ctx.Err(), each(rec)); err != nil {
				return err
			}
		}
	}
	return nil
}

func (s *snapshot) eachOutput(ctx context.Context, dir string, within Range, each func(*Prediction) error) error {
	found, err := sealedFiles(dir, outputsName, within)
	if err != nil {
		return err
	}
	inRange := func(p *Prediction) error {
		if !within.Contains(p.LoggedAt) {
			return nil
		}
		return each(p)
	}
	for _, f := range found {
		if err := outputsFile(ctx, f.path, inRange); err != nil {
			return err
		}
	}
	return s.unsealed(ctx, found, func(rec *Record) error {
		if rec.Header != nil {
			return nil
		}
		p, err := rec.Prediction()
		if err != nil {
			return err
		}
		return inRange(p)
	})
}

// place names a row of a request.
type place struct {
	request string
	row     int64
}

// outputs are those of lookups in a range: a model answers after its lookup, so
// that the range's end does not bound them.
func (s *snapshot) outputs(ctx context.Context, q Query) (map[place][]Prediction, error) {
	out := map[place][]Prediction{}
	err := s.eachOutput(ctx, q.Dir, Range{From: q.Within.From}, func(p *Prediction) error {
		at := place{p.RequestID, p.Row}
		out[at] = append(out[at], *p)
		return nil
	})
	return out, err
}
