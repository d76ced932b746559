package predictions

import (
	"context"
	"slices"
	"strings"

	"github.com/freshet/freshet/featurestore"
)

// Summary is what the log holds of one service.
type Summary struct {
	Service  string `json:"service"`
	Rows     int64  `json:"rows"`
	Unsealed int64  `json:"unsealed_rows"` // of Rows, those that are not in Parquet yet
	Files    int    `json:"files"`
	Bytes    int64  `json:"bytes"` // of the files
	First    string `json:"first_date,omitempty"`
	Last     string `json:"last_date,omitempty"`
}

// Services says what the log holds, ascending by service.
func Services(ctx context.Context, dir string) ([]Summary, error) {
	s, err := openSnapshot(dir)
	if err != nil {
		return nil, err
	}
	defer s.close()
	names, err := readDir(Folder(dir))
	if err != nil {
		return nil, err
	}
	summaries := map[string]*Summary{}
	of := func(name string) *Summary {
		if summaries[name] == nil {
			summaries[name] = &Summary{Service: name}
		}
		return summaries[name]
	}
	var all []sealedFile
	for _, name := range names {
		if strings.HasPrefix(name, "_") {
			continue
		}
		found, err := sealedFiles(dir, name, Range{})
		if err != nil {
			return nil, err
		}
		all = append(all, found...)
		for _, f := range found {
			info, err := openInfo(f.path)
			if err != nil {
				return nil, err
			}
			one := of(name)
			one.Rows, one.Bytes, one.Files = one.Rows+info.rows, one.Bytes+info.bytes, one.Files+1
			one.on(f.name.First)
			one.on(f.name.Last)
		}
	}
	err = s.unsealed(ctx, all, func(rec *Record) error {
		if rec.Header != nil {
			one := of(rec.Header.Service)
			one.Rows, one.Unsealed = one.Rows+int64(rec.Rows), one.Unsealed+int64(rec.Rows)
			one.on(rec.LoggedAt)
		}
		return nil
	})
	out := []Summary{}
	for _, one := range summaries {
		out = append(out, *one)
	}
	slices.SortFunc(out, func(a, b Summary) int { return strings.Compare(a.Service, b.Service) })
	return out, err
}

// on widens the summary's dates.
func (s *Summary) on(t featurestore.Instant) {
	text := t.Time().Format(dateLayout)
	if s.First == "" || text < s.First {
		s.First = text
	}
	s.Last = max(s.Last, text)
}
