package predictions

import (
	"encoding/json"
	"errors"
	"fmt"

	"github.com/freshet/freshet/featurestore"
)

// storedHeader is a Header as segments and files carry it.
type storedHeader struct {
	Version  int           `json:"version"`
	Service  string        `json:"service"`
	Entities []storedField `json:"entities"`
	Request  []storedField `json:"request"`
	Columns  []storedField `json:"columns"`
	Roles    []storedRole  `json:"roles"`
}

type storedField struct {
	Name string `json:"name"`
	Type string `json:"type"`
}

type storedRole struct {
	Prefix  string   `json:"prefix"`
	View    string   `json:"view"`
	Sources []string `json:"sources,omitempty"`
}

// Encode writes the header as JSON: equal headers give equal bytes.
func (h *Header) Encode() []byte {
	s := storedHeader{Version: Version, Service: h.Service, Entities: storeFields(h.Entities), Request: storeFields(h.Request), Columns: storeFields(h.Columns), Roles: []storedRole{}}
	for _, r := range h.Roles {
		s.Roles = append(s.Roles, storedRole(r))
	}
	b, err := json.Marshal(s)
	if err != nil {
		panic(fmt.Sprintf("predictions: a header of names and types does not encode: %v", err)) // it holds texts only
	}
	return b
}

func storeFields(in []Field) []storedField {
	out := make([]storedField, len(in))
	for i, f := range in {
		out[i] = storedField{f.Name, f.Type.String()}
	}
	return out
}

// DecodeHeader reads a header and refuses another version.
func DecodeHeader(b []byte) (*Header, error) {
	var s storedHeader
	if err := json.Unmarshal(b, &s); err != nil {
		return nil, fmt.Errorf("the header of a prediction log does not decode: %w", err)
	}
	if s.Version != Version {
		return nil, fmt.Errorf("the prediction log has version %d, this program knows %d", s.Version, Version)
	}
	if err := featurestore.CheckName(s.Service); err != nil {
		return nil, fmt.Errorf("the header of a prediction log: service: %w", err)
	}
	h := &Header{Service: s.Service}
	var errs [3]error
	h.Entities, errs[0] = loadFields(s.Entities)
	h.Request, errs[1] = loadFields(s.Request)
	h.Columns, errs[2] = loadFields(s.Columns)
	for _, r := range s.Roles {
		h.Roles = append(h.Roles, Role(r))
	}
	return h, errors.Join(errs[:]...)
}

func loadFields(in []storedField) ([]Field, error) {
	var out []Field
	for _, f := range in {
		t, err := featurestore.ParseType(f.Type)
		if err != nil {
			return nil, fmt.Errorf("the header of a prediction log: column %q: %w", f.Name, err)
		}
		out = append(out, Field{f.Name, t})
	}
	return out, nil
}
