package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/freshet/freshet/featurestore"
)

// Answer is the HTTP answer of a lookup as people are shown it.
type Answer struct {
	RequestID string         `json:"request_id"`
	ReadTime  []string       `json:"read_time"`
	Columns   []AnswerColumn `json:"columns"`
	Views     []AnswerView   `json:"views"`
}

// AnswerColumn is one column; values are JSON.
type AnswerColumn struct {
	Name   string            `json:"name"`
	Type   string            `json:"type"`
	Values []json.RawMessage `json:"values"`
	Status []string          `json:"status"`
}

// AnswerView is what an answer says of one view.
type AnswerView struct {
	View      string    `json:"view"`
	As        string    `json:"as"`
	Watermark *string   `json:"watermark"`
	EventTime []*string `json:"event_time"`
}

// Column is a column by name; nil for none.
func (a *Answer) Column(name string) *AnswerColumn {
	for i := range a.Columns {
		if a.Columns[i].Name == name {
			return &a.Columns[i]
		}
	}
	return nil
}

// Age is how long before the read the newest event behind a column's view was,
// in the first row: "12m0s", or "" where there is none.
func (a *Answer) Age(column string) string {
	prefix, _, _ := strings.Cut(column, "__")
	for _, v := range a.Views {
		if v.As != prefix && (v.As != "" || v.View != prefix) || len(v.EventTime) == 0 || v.EventTime[0] == nil || len(a.ReadTime) == 0 {
			continue
		}
		event, err1 := featurestore.ParseInstant(*v.EventTime[0])
		read, err2 := featurestore.ParseInstant(a.ReadTime[0])
		if err1 != nil || err2 != nil {
			return ""
		}
		return featurestore.Duration(read - event).Std().Round(time.Second).String()
	}
	return ""
}

// NewAPI is the API of a server at a base address.
func NewAPI(base string) *API {
	return &API{client: &http.Client{Timeout: 30 * time.Second}, base: base}
}

// Lookup sends a lookup and decodes the answer.
func (c *API) Lookup(ctx context.Context, body any) (*Answer, error) {
	out, err := c.Call(ctx, http.MethodPost, "/v1/features:get", body)
	if err != nil {
		return nil, err
	}
	var a Answer
	if err := json.Unmarshal(out, &a); err != nil {
		return nil, fmt.Errorf("the answer does not decode: %w", err)
	}
	return &a, nil
}

// JSONDouble writes a double as JSON, exactly.
func JSONDouble(f float64) json.RawMessage {
	return json.RawMessage(strconv.FormatFloat(f, 'g', -1, 64))
}
