package node

import (
	"fmt"
	"log/slog"
	"sync"

	"github.com/freshet/freshet/serving/service"
)

// damageLog counts lookups that met a damaged entity, and tells of each entity
// once: a hot one must not fill the log.
type damageLog struct {
	mu   sync.Mutex
	n    int64
	told map[uint64]struct{} // key hashes
}

// maxTold bounds the memory of what was told; beyond it, all is told again.
const maxTold = 1000

func (d *damageLog) met(log *slog.Logger, found []service.Damage) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.n += int64(len(found))
	for _, x := range found {
		if _, ok := d.told[x.KeyHash]; ok {
			continue
		}
		if d.told == nil || len(d.told) >= maxTold {
			d.told = map[uint64]struct{}{}
		}
		d.told[x.KeyHash] = struct{}{}
		if log != nil {
			log.Error("a stored entity is damaged: it answers ERROR until the ingester meets it, at its next record, and rebuilds it",
				"view", x.View, "generation", x.Number, "lane", x.Lane, "key_hash", fmt.Sprintf("%016x", x.KeyHash), "error", x.Reason)
		}
	}
}

func (d *damageLog) count() int64 {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.n
}
