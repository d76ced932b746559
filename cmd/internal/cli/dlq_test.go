package cli

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/freshet/freshet/ingest/deadletter"
)

const dlqDefinitions = `
kind: Entity
name: user
keys: [{name: user, type: string}]
---
kind: StreamSource
name: clicks
kafka: {topic: clicks}
format: json
timestamp: {field: at, format: unix_ms}
fields: {user: string}
---
kind: StreamView
name: v
entity: user
source: clicks
features: [{name: n, agg: count, window: 1h}]
`

func TestDeadLetters(t *testing.T) {
	dir, _ := loggedProject(t)
	if err := os.WriteFile(filepath.Join(dir, "d.yaml"), []byte(dlqDefinitions), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, _, err := run(t, dir, "dlq", "ls", "-o", "json"); err != nil || strings.TrimSpace(out) != "[]" {
		t.Errorf("none: %q, %v", out, err)
	}
	f, err := deadletter.Open(filepath.Join(dir, ".freshet", "offline", "deadletters"), deadletter.Options{NoSync: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.Close() })
	secret := []byte(`{"user": "secret"}`)
	if err := f.Append(
		deadletter.DeadLetter{Source: "clicks", Generation: 1, Offset: 4, LogTime: 1357000000e6, Code: "DECODE_TYPE", Message: "a number is no text", Value: secret},
		deadletter.DeadLetter{Source: "clicks", Generation: 1, Offset: 5, LogTime: 1357000000e6, Code: "EMPTY", Message: "no value", Key: []byte{0xff}},
		deadletter.DeadLetter{Source: "gone", Generation: 1, Offset: 6, LogTime: 1357000000e6, Code: "EMPTY", Message: "no value"},
	); err != nil {
		t.Fatal(err)
	}
	out, _, err := run(t, dir, "dlq", "ls", "-o", "table", "--limit", "2")
	if err != nil || strings.Contains(out, "secret") || !strings.Contains(out, "clicks/1/0/5") || !strings.Contains(out, "2 of 3") {
		t.Errorf("%s, %v", out, err)
	}
	if out, _, err = run(t, dir, "dlq", "ls", "--code", "DECODE_TYPE", "-o", "name"); err != nil || strings.TrimSpace(out) != "clicks/1/0/4" {
		t.Errorf("%s, %v", out, err)
	}
	if out, _, err = run(t, dir, "dlq", "show", "clicks/1/0/4", "-o", "json"); err != nil || !strings.Contains(out, "secret") {
		t.Errorf("%s, %v", out, err)
	}
	if _, _, err = run(t, dir, "dlq", "show", "clicks/1/0/99"); err == nil || !strings.Contains(err.Error(), "no dead letter") {
		t.Errorf("none there: %v", err)
	}
	if out, _, err = run(t, dir, "dlq", "replay", "--dry-run", "-o", "json"); err != nil || !strings.Contains(strings.Join(strings.Fields(out), ""), `"sent":2,"sent_before":0,"rows_of_files":0,"without_a_source":1`) {
		t.Errorf("%s, %v", out, err)
	}
	if out, _, err = run(t, dir, "dlq", "replay", "--dry-run", "--position", "clicks/1/0/4", "-o", "json"); err != nil || !strings.Contains(strings.Join(strings.Fields(out), ""), `"sent":1,`) {
		t.Errorf("%s, %v", out, err)
	}
}
