package deadletter

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/freshet/freshet/ingest/logrecord"
)

// resentName is the file of a folder that names the letters that were sent to
// their topics again, a line each.
const resentName = "resent.txt"

// Resent is which letters of a folder were sent again. It is held by one process
// at a time.
type Resent struct {
	f    *os.File
	done map[string]bool
}

// OpenResent opens or makes the list of a folder, and refuses one that somebody
// holds. A line that a crash cut short names no letter and is taken off.
func OpenResent(dir string) (*Resent, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("dead letters: %w", err)
	}
	f, err := os.OpenFile(filepath.Join(dir, resentName), os.O_RDWR|os.O_APPEND|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("dead letters: %w", err)
	}
	r := &Resent{f: f, done: map[string]bool{}}
	if err := r.load(); err != nil {
		return nil, errors.Join(fmt.Errorf("dead letters: %w", err), f.Close())
	}
	return r, nil
}

func (r *Resent) load() error {
	if err := lock(r.f); err != nil {
		return err
	}
	text, err := io.ReadAll(r.f)
	if err != nil {
		return err
	}
	whole := bytes.LastIndexByte(text, '\n') + 1
	for line := range bytes.Lines(text[:whole]) {
		r.done[string(bytes.TrimRight(line, "\r\n"))] = true
	}
	if whole < len(text) {
		return r.f.Truncate(int64(whole))
	}
	return nil
}

// Has reports whether a letter was sent again.
func (r *Resent) Has(l *DeadLetter) bool { return r.done[l.Position()] }

// Add notes letters, after their log has acknowledged them.
func (r *Resent) Add(letters ...DeadLetter) error {
	var text []byte
	for i := range letters {
		text = append(append(text, letters[i].Position()...), '\n')
		r.done[letters[i].Position()] = true
	}
	if _, err := r.f.Write(text); err != nil {
		return fmt.Errorf("dead letters: %w", err)
	}
	return r.f.Sync()
}

// Close closes the list.
func (r *Resent) Close() error { return r.f.Close() }

// Position names the record of a letter, as "orders/1/0/42": source, generation,
// partition and offset.
func (l *DeadLetter) Position() string {
	return fmt.Sprintf("%s/%d/%d/%d", l.Source, l.Generation, l.Partition, l.Offset)
}

// Record is the letter's record as it came, with its own time: on a topic that
// keeps a producer's time it is as late as it was.
func (l *DeadLetter) Record() logrecord.Record {
	return logrecord.Record{LogTime: l.LogTime, Key: l.Key, Value: l.Value, Headers: l.Headers}
}

// HasRecord reports whether the letter is a record of a topic: one in the place
// of a history file's row is not.
func (l *DeadLetter) HasRecord() bool {
	_, replayed := l.Headers.ReplayOf()
	return !replayed
}
