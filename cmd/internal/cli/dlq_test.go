package cli

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/freshet/freshet/cmd/internal/settings"
	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/featurestore/definition"
	"github.com/freshet/freshet/ingest/deadletter"
	"github.com/freshet/freshet/ingest/logrecord"
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
	if out, _, err = run(t, dir, "dlq", "replay", "--dry-run", "-o", "json"); err != nil || !strings.Contains(strings.Join(strings.Fields(out), ""), `{"letters":3,"sent":2,"sent_before":0,"rows_of_files":0,"without_a_source":1,"damaged_lines":0,"counted":0}`) {
		t.Errorf("%s, %v", out, err)
	}
	if out, _, err = run(t, dir, "dlq", "replay", "--dry-run", "--position", "clicks/1/0/4", "-o", "json"); err != nil || !strings.Contains(strings.Join(strings.Fields(out), ""), `"sent":1,`) {
		t.Errorf("%s, %v", out, err)
	}
}

// TestDamagedLettersAreListed: a line that is none is named, the others are shown,
// and the newest by log time come last whoever wrote them.
func TestDamagedLettersAreListed(t *testing.T) {
	dir, _ := loggedProject(t)
	letters := filepath.Join(dir, ".freshet", "offline", "deadletters")
	one, two := openLetters(t, letters), openLetters(t, letters)
	for i, f := range []*deadletter.Folder{one, two, one} {
		if err := f.Append(deadletter.DeadLetter{Source: "clicks", Generation: 1, Offset: int64(i), LogTime: featurestore.LogTime(1357000000e6 + i*1e6), Code: "EMPTY"}); err != nil {
			t.Fatal(err)
		}
	}
	torn, err := os.OpenFile(filepath.Join(letters, "letters-000001.jsonl"), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := torn.WriteString("{\"v\":1,\"sou{\"v\":1}\n{\"v\":1"); err != nil {
		t.Fatal(err)
	}
	if err := torn.Close(); err != nil {
		t.Fatal(err)
	}
	out, notes, err := run(t, dir, "dlq", "ls", "-o", "table", "--limit", "2")
	if err != nil || !strings.Contains(notes, "letters-000001.jsonl:3 (byte ") || strings.Count(notes, "passed over") != 1 || !strings.Contains(out, "2 of 3 dead letters; damaged lines: 1") {
		t.Errorf("%s, %s, %v", out, notes, err)
	}
	if out, _, err := run(t, dir, "dlq", "ls", "-o", "name", "--limit", "2"); err != nil || out != "clicks/1/0/1\nclicks/1/0/2\n" {
		t.Errorf("%q, %v", out, err)
	}
	if out, notes, err := run(t, dir, "dlq", "show", "clicks/1/0/2", "-o", "json"); err != nil || !strings.Contains(out, "clicks/1/0/2") || notes == "" {
		t.Errorf("%s, %s, %v", out, notes, err)
	}
}

func openLetters(t *testing.T, dir string) *deadletter.Folder {
	t.Helper()
	f, err := deadletter.Open(dir, deadletter.Options{NoSync: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.Close() })
	return f
}

// refusing is a log whose ingester refuses every record as soon as it is there.
type refusing struct {
	logrecord.Log
	letters  *deadletter.Folder
	produced int
}

func (l *refusing) Produce(_ context.Context, _ string, partition int32, records []logrecord.Record) (int64, error) {
	base := int64(1000 + l.produced)
	for i := range records {
		letter := deadletter.Of("clicks", 1, &records[i])
		letter.Partition, letter.Offset, letter.Code = partition, base+int64(i), "EMPTY"
		if err := l.letters.Append(letter); err != nil {
			return 0, err
		}
	}
	l.produced += len(records)
	return base, nil
}

// TestReplayRefusedAgain: a replay takes the letters that stand when it begins,
// and the next one those that came of it.
func TestReplayRefusedAgain(t *testing.T) {
	dir, _ := loggedProject(t)
	s, err := settings.Load(dir, settings.Source{})
	if err != nil {
		t.Fatal(err)
	}
	log := &refusing{letters: openLetters(t, lettersDir(s))}
	const stand = 2*resendBatch + 7
	for i := range stand {
		if err := log.letters.Append(deadletter.DeadLetter{Source: "clicks", Generation: 1, Partition: int32(i / resendBatch), Offset: int64(i), Code: "EMPTY", Value: fmt.Append(nil, i)}); err != nil {
			t.Fatal(err)
		}
	}
	project := &definition.Project{StreamSources: []*definition.StreamSource{{Meta: definition.Meta{Name: "clicks"}, Topic: "clicks"}}}
	for _, want := range []resendCounts{{Letters: stand, Sent: stand}, {Letters: 2 * stand, Sent: stand, Before: stand}} {
		r := &resender{app: &App{Stderr: os.Stderr}, project: project, log: log}
		if r.resent, err = deadletter.OpenResent(lettersDir(s)); err != nil {
			t.Fatal(err)
		}
		if _, err := deadletter.OpenResent(lettersDir(s)); err == nil || !strings.Contains(err.Error(), "another replay") {
			t.Errorf("two replays at once: %v", err)
		}
		before := log.produced
		if err := r.send(t.Context(), s, &letterFilter{}); err != nil {
			t.Fatal(err)
		}
		if err := r.resent.Close(); err != nil {
			t.Fatal(err)
		}
		if r.Counts != want || log.produced-before != stand {
			t.Errorf("%+v, want %+v; %d were produced", r.Counts, want, log.produced-before)
		}
	}
}
