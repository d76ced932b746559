package plant

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// Truncate kills the broker, cuts a partition's log before the record batch that
// holds an offset, and starts the broker: what an unclean election of a leader
// that had less would do. It returns where the log ends then.
func (k *Kafka) Truncate(ctx context.Context, topic string, partition int32, from int64) (end int64, err error) {
	if err := errors.Join(k.disconnect(), k.Broker.Kill()); err != nil {
		return 0, err
	}
	data := filepath.Join(k.dir, "data")
	dir := filepath.Join(data, fmt.Sprintf("%s-%d", topic, partition))
	if end, err = cutSegment(filepath.Join(dir, fmt.Sprintf("%020d.log", 0)), from); err != nil {
		return 0, err
	}
	// What speaks of the old end: a recovery from the log's beginning makes it anew.
	var gone []string
	for _, pattern := range []string{filepath.Join(dir, "*.snapshot"), filepath.Join(dir, "*index"), filepath.Join(data, "recovery-point-offset-checkpoint"), filepath.Join(data, "replication-offset-checkpoint")} {
		found, err := filepath.Glob(pattern)
		if err != nil {
			return 0, err
		}
		gone = append(gone, found...)
	}
	for _, name := range gone {
		if err := os.Remove(name); err != nil {
			return 0, err
		}
	}
	if err := k.Broker.Restart(ctx); err != nil {
		return 0, err
	}
	return end, k.connect(ctx)
}

// cutSegment cuts a segment before the batch that holds an offset, and gives the
// base offset of what was cut.
func cutSegment(path string, from int64) (int64, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return 0, err
	}
	for at := 0; at+61 <= len(b); {
		base, size := int64(binary.BigEndian.Uint64(b[at:])), int(binary.BigEndian.Uint32(b[at+8:]))
		last := base + int64(int32(binary.BigEndian.Uint32(b[at+23:])))
		if last >= from {
			return base, os.Truncate(path, int64(at))
		}
		at += 12 + size
	}
	return 0, fmt.Errorf("%s holds no offset from %d on", path, from)
}
