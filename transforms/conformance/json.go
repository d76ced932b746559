package conformance

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"runtime"

	"github.com/freshet/freshet/featurestore"
)

// FileName is the vectors' file within testdata/conformance.
const FileName = "vectors.json"

// version is the version of the file's format that this runner reads.
const version = 3

// The shapes of vectors.json, as README.md beside it specifies them.
type (
	fileJSON struct {
		Version int                    `json:"version"`
		Logs    map[string][]eventJSON `json:"logs"`
		Vectors []vectorJSON           `json:"vectors"`
	}
	vectorJSON struct {
		ID    int        `json:"id"`
		Title string     `json:"title"`
		Cases []caseJSON `json:"cases"`
	}
	caseJSON struct {
		Name     string                     `json:"name"`
		Kind     Kind                       `json:"kind"`
		Needs    []string                   `json:"needs"`
		Key      []columnJSON               `json:"key"`
		Columns  []columnJSON               `json:"columns"`
		Sources  []sourceJSON               `json:"sources"`
		View     viewJSON                   `json:"view"`
		Log      string                     `json:"log"`
		Generate *generateJSON              `json:"generate"`
		Events   []eventJSON                `json:"events"`
		Changes  []changeJSON               `json:"changes"`
		Tables   [][]rowJSON                `json:"tables"`
		Runs     []runJSON                  `json:"runs"`
		Orders   string                     `json:"orders"`
		Replays  []int                      `json:"replays"`
		Counters map[string]int64           `json:"counters"`
		Readings []readingJSON              `json:"readings"`
		At       int64                      `json:"at"`
		Request  map[string]json.RawMessage `json:"request"`
		Expect   json.RawMessage            `json:"expect"` // a request: cells by feature; merge_tree: one cell
		Keys     [][]json.RawMessage        `json:"keys"`
		Distinct int                        `json:"distinct"`
		Text     string                     `json:"text"`
		Instant  int64                      `json:"instant"`
		Refused  string                     `json:"refused"`
	}
	columnJSON struct {
		Name string `json:"name"`
		Type string `json:"type"`
	}
	sourceJSON struct {
		Name            string `json:"name"`
		AllowedLateness string `json:"allowed_lateness"`
		EventID         string `json:"event_id"`
		Sequence        string `json:"sequence"`
	}
	viewJSON struct {
		Tile     string        `json:"tile"`
		Schedule string        `json:"schedule"`
		TTL      string        `json:"ttl"`
		Features []featureJSON `json:"features"`
	}
	featureJSON struct {
		Name    string          `json:"name"`
		Agg     string          `json:"agg"`
		Type    string          `json:"type"`
		Window  json.RawMessage `json:"window"` // a text, or a windowJSON
		Offset  string          `json:"offset"`
		Exact   bool            `json:"exact"`
		MaxRows int64           `json:"max_rows"`
		Where   string          `json:"where"`
		By      string          `json:"by"`
		MaxKeys int64           `json:"max_keys"`
		Nulls   string          `json:"nulls"`
		Empty   string          `json:"empty"`
		Default string          `json:"default"`
	}
	imageJSON struct {
		E      json.RawMessage            `json:"e"`
		Entity []json.RawMessage          `json:"entity"`
		Fields map[string]json.RawMessage `json:"fields"`
	}
	eventJSON struct {
		imageJSON
		placeJSON
	}
	placeJSON struct {
		A         *int64 `json:"a"`
		Source    string `json:"source"`
		Partition int32  `json:"partition"`
		Offset    *int64 `json:"offset"`
	}
	changeJSON struct {
		placeJSON
		M      int64      `json:"m"`
		Before *imageJSON `json:"before"`
		After  *imageJSON `json:"after"`
	}
	rowJSON struct {
		imageJSON
		A    *int64 `json:"a"`
		File int    `json:"file"`
	}
	runJSON struct {
		Cutoff    int64  `json:"cutoff"`
		Completed *int64 `json:"completed"`
		Table     *int   `json:"table"`
	}
	readingJSON struct {
		Entity []json.RawMessage   `json:"entity"`
		At     int64               `json:"at"`
		Clock  *int64              `json:"clock"`
		Modes  []Mode              `json:"modes"`
		Delay  int64               `json:"delay"`
		Expect map[string]cellJSON `json:"expect"`
	}
	cellJSON struct {
		Value  json.RawMessage `json:"value"`
		Status string          `json:"status"`
	}
)

// Load reads vectors.json from a folder.
func Load(dir fs.FS) ([]*Case, error) {
	file, err := read(dir)
	if err != nil {
		return nil, err
	}
	var cases []*Case
	for _, v := range file.Vectors {
		for i := range v.Cases {
			name := caseName(v.ID, v.Cases[i].Name)
			built, err := build(file, v, &v.Cases[i])
			if err != nil {
				return nil, fmt.Errorf("%s: case %s: %w", FileName, name, err)
			}
			cases = append(cases, built...)
		}
	}
	return cases, nil
}

func read(dir fs.FS) (*fileJSON, error) {
	data, err := fs.ReadFile(dir, FileName)
	if err != nil {
		return nil, fmt.Errorf("read the conformance vectors: %w", err)
	}
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.DisallowUnknownFields()
	var file fileJSON
	if err := dec.Decode(&file); err != nil {
		return nil, featurestore.Invalidf("%s: %w", FileName, err)
	}
	if _, err := dec.Token(); err != io.EOF {
		return nil, featurestore.Invalidf("%s: text after the end", FileName)
	}
	if file.Version != version {
		return nil, featurestore.Invalidf("%s: version %d is not %d", FileName, file.Version, version)
	}
	return &file, nil
}

// Dir is the folder of the vectors in this checkout, for tests of any package:
// os.DirFS(conformance.Dir()).
func Dir() string {
	_, here, _, _ := runtime.Caller(0)
	return filepath.Join(filepath.Dir(here), "..", "..", "testdata", "conformance")
}

func caseName(vector int, name string) string {
	if name == "" {
		return fmt.Sprint(vector)
	}
	return fmt.Sprintf("%d/%s", vector, name)
}
