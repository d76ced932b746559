package deadletter

import (
	"bufio"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/freshet/freshet/ingest/logrecord"
)

// resentName is the file of a folder that names the letters that were sent to
// their topics again, a line each.
const resentName = "resent.txt"

// Resent is which letters of a folder were sent again. One process at a time may
// use it.
type Resent struct {
	f    *os.File
	done map[string]bool
}

// OpenResent opens or makes the list of a folder.
func OpenResent(dir string) (*Resent, error) {
	r := &Resent{done: map[string]bool{}}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("dead letters: %w", err)
	}
	path := filepath.Join(dir, resentName)
	old, err := os.Open(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("dead letters: %w", err)
	}
	if err == nil {
		lines := bufio.NewScanner(old)
		for lines.Scan() {
			r.done[lines.Text()] = true
		}
		if err := errors.Join(lines.Err(), old.Close()); err != nil {
			return nil, fmt.Errorf("dead letters: %w", err)
		}
	}
	if r.f, err = os.OpenFile(path, os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o600); err != nil {
		return nil, fmt.Errorf("dead letters: %w", err)
	}
	return r, nil
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
