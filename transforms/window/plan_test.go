package window_test

import (
	"strings"
	"testing"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/transforms/agg"
	"github.com/freshet/freshet/transforms/window"
)

func TestDefaultTile(t *testing.T) {
	for w, want := range map[string]string{
		"500ms": "1s", "1s": "1s", "1m": "1s", "4m": "10s", "5m": "10s", "23m": "10s", "24m": "1m", "30m": "1m", "1h": "1m", "2h": "5m", "3h": "5m",
		"12h": "5m", "24h": "1h", "25h": "1h", "7d": "1h", "24d": "1d", "30d": "1d", "90s": "1s", "241s": "1s", "1441m": "1m",
	} {
		d, err := featurestore.ParseDuration(w)
		if err != nil {
			t.Fatal(err)
		}
		if got := window.DefaultTile(d).String(); got != want {
			t.Errorf("window %s: tile %s, want %s", w, got, want)
		}
	}
}

func TestCoverAndRetention(t *testing.T) {
	p, err := window.Compile(window.Config{
		Sources: []window.SourceRule{{AllowedLateness: featurestore.Hour}, {AllowedLateness: 2 * featurestore.Hour}},
		Features: []window.Feature{
			{Call: agg.Call{Func: "count"}, Input: -1, Where: -1, Width: featurestore.Day},
			{Call: agg.Call{Func: "count"}, Input: -1, Where: -1, Width: featurestore.Hour, Offset: 2 * featurestore.Day},
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	if c := p.Cover(0); c.Tile != featurestore.Hour || c.Least != featurestore.Day || c.Most != 25*featurestore.Hour-1 {
		t.Errorf("cover of a day: %+v", c)
	}
	if c := p.Cover(1); c.Tile != featurestore.Minute || c.Least != featurestore.Hour || c.Most != featurestore.Hour {
		t.Errorf("cover of an hour with an offset: %+v", c)
	}
	if d, bounded := p.Retention(); !bounded || d != (24+24+1+1+2)*featurestore.Hour {
		t.Errorf("retention %s, %v", d, bounded)
	}
	if p.DedupeTile() != featurestore.Minute || p.Features()[0].Type.Kind != featurestore.KindInt64 {
		t.Errorf("dedupe tile %s, type %s", p.DedupeTile(), p.Features()[0].Type)
	}
}

func TestCompileRefuses(t *testing.T) {
	ok := func() window.Feature {
		return window.Feature{Name: "f", Call: agg.Call{Func: "sum", Input: featurestore.Int64}, Input: 0, Where: -1, Width: featurestore.Hour}
	}
	for want, change := range map[string]func(*window.Config){
		"needs a source":          func(c *window.Config) { c.Sources = nil },
		"ttl":                     func(c *window.Config) { c.TTL = -1 },
		"allowed_lateness":        func(c *window.Config) { c.Sources[0].AllowedLateness = -1 },
		"window 0s":               func(c *window.Config) { c.Features[0].Width = 0 },
		"offset":                  func(c *window.Config) { c.Features[0].Offset = -1 },
		"is no tile size":         func(c *window.Config) { c.Features[0].Tile = 2 * featurestore.Minute },
		"does not divide":         func(c *window.Config) { c.Features[0].Tile = featurestore.Day },
		"its type is double":      func(c *window.Config) { c.Features[0].Type = featurestore.Double },
		"its default is a double": func(c *window.Config) { c.Features[0].Default = featurestore.DoubleValue(1) },
		"unknown aggregate":       func(c *window.Config) { c.Features[0].Call.Func = "nonsense" },
		"window kind 9":           func(c *window.Config) { c.Features[0].Kind = 9 },
		"latest value needs": func(c *window.Config) {
			c.Features[0] = window.Feature{Name: "f", Kind: window.Latest, Input: 0, Where: -1}
		},
		"takes no where": func(c *window.Config) {
			c.Features[0].Kind, c.Features[0].Type, c.Features[0].Where = window.Latest, featurestore.Int64, 0
		},
		"sum has input -1": func(c *window.Config) { c.Features[0].Input = -1 },
	} {
		c := window.Config{Sources: []window.SourceRule{{}}, Features: []window.Feature{ok()}}
		change(&c)
		if _, err := window.Compile(c); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v; want %q", err, want)
		}
	}
}
