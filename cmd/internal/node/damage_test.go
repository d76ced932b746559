package node_test

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/freshet/freshet/cmd/internal/node"
	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/featurestore/codec"
	"github.com/freshet/freshet/featurestore/online"
)

// ann is an entity of the view spend.
func ann(t *testing.T, g online.Generation, lanes uint16) online.EntityID {
	t.Helper()
	key, err := codec.AppendKey(nil, []featurestore.Type{featurestore.String, featurestore.Int64}, []featurestore.Value{featurestore.StringValue("ann"), featurestore.Int64Value(1)})
	if err != nil {
		t.Fatal(err)
	}
	return online.EntityID{LaneID: online.LaneID{Generation: g, Lane: codec.Lane(key, lanes)}, Key: key, Split: true}
}

// TestADamagedEntityIsAnError: whatever byte of an entity's blob is flipped or
// cut off, or when another entity's stands there, it answers ERROR and never a
// number; the other rows of the request are as they were, and it is counted.
func TestADamagedEntityIsAnError(t *testing.T) {
	n := start(t)
	ctx := context.Background()
	g := n.Backend.Catalog().Generations["spend"]
	id := ann(t, g.ID, g.Lanes)
	parts, err := n.Parts.Online.Get(ctx, []online.EntityID{id})
	if err != nil || parts[0].Open == nil {
		t.Fatalf("%v %v", parts, err)
	}
	whole, stands := parts[0].Open, parts[0].Open
	stored, err := n.Parts.Online.Lanes(ctx, g.ID, g.Lanes)
	if err != nil {
		t.Fatal(err)
	}
	lane := stored[id.Lane]
	put := func(w online.Write) {
		t.Helper()
		w.Key, w.Expect, stands = id.Key, stands, w.Blob
		for p, mark := range lane.Watermarks {
			b := online.Batch{Lane: id.LaneID, Definition: lane.Meta.Definition, Partition: p, From: mark.Offset, To: mark, Writes: []online.Write{w}}
			if r := n.Parts.Online.Apply(ctx, []online.Batch{b}); r[0].Outcome != online.OutcomeOK {
				t.Fatalf("%+v", r[0])
			}
			return
		}
		t.Fatal("the lane has no watermark")
	}
	look := func() string {
		t.Helper()
		code, body := post(t, n, "/v1/features:get", `{"features": ["spend.*"], "include": ["status"], "entities": {"user": ["ann", "bob"], "shop": [1, 1]}}`)
		if code != http.StatusOK {
			t.Fatalf("%d %s", code, body)
		}
		return body
	}
	const bad = `"values":[null,0],"status":["ERROR","NOT_FOUND"]`
	damaged := int64(0)
	wantError := func(what string, at int) {
		t.Helper()
		if body := look(); !strings.Contains(body, bad) {
			t.Fatalf("%s %d: %s", what, at, body)
		}
		damaged++
	}
	for i := range whole {
		blob := bytes.Clone(whole)
		blob[i] ^= 1 << (i % 8)
		put(online.Write{Blob: blob})
		wantError("flipped byte", i)
	}
	for i := 1; i < len(whole); i += 7 {
		put(online.Write{Blob: bytes.Clone(whole[:i])})
		wantError("cut to", i)
	}
	put(online.Write{Blob: whole, Closed: []byte("a closed part that nobody wrote")})
	wantError("closed part", 0)
	put(online.Write{Blob: whole, Closed: []byte{}})
	if body := look(); !strings.Contains(body, `"values":[2,0],"status":["PRESENT","NOT_FOUND"]`) {
		t.Errorf("the whole blob again: %s", body)
	}
	var s node.Status
	if err := json.Unmarshal([]byte(get(t, n, "/v1/status")), &s); err != nil || s.DamagedReads != damaged {
		t.Errorf("%d damaged reads are counted, want %d (%v)", s.DamagedReads, damaged, err)
	}
}
