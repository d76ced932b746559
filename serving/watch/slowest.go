package watch

import (
	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/featurestore/definition"
	"github.com/freshet/freshet/featurestore/online"
	"github.com/freshet/freshet/serving/service"
)

// slowest is the partition that was at its log's end the longest ago. Of a
// source's logs only the newest counts.
func slowest(v *definition.StreamView, lanes []online.Lane) *service.Slowest {
	var worst *service.Slowest
	partitions := current(lanes)
	for i := range v.Bindings {
		source, met := v.Bindings[i].Source.Name, false
		for p := range partitions {
			if p.Source != source {
				continue
			}
			met = true
			if s := slowestLane(p, lanes); worst == nil || s.At < worst.At || s.At == worst.At && p.Compare(worst.Partition) < 0 {
				worst = s
			}
		}
		if !met {
			return &service.Slowest{Partition: online.Partition{Source: source}, Through: -1, At: featurestore.MinInstant, Unmet: true}
		}
	}
	return worst
}

// slowestLane is how far the slowest lane is with a partition.
func slowestLane(p online.Partition, lanes []online.Lane) *service.Slowest {
	out := &service.Slowest{Partition: p}
	for i := range lanes {
		w, met := lanes[i].Watermarks[p]
		at, through := service.Slowest{At: featurestore.MinInstant, Fetched: true}, int64(-1)
		if met {
			through = w.Offset
			if at.At = w.FetchTime; w.FetchTime == 0 {
				at.At, at.Fetched = max(featurestore.MinInstant, featurestore.Instant(w.LogTime)), false
			}
		}
		if i == 0 || at.At < out.At {
			out.At, out.Fetched = at.At, at.Fetched
		}
		if i == 0 || through < out.Through {
			out.Through = through
		}
	}
	return out
}

// current are the partitions that some lane has met, of the newest log of each source.
func current(lanes []online.Lane) map[online.Partition]bool {
	partitions, newest := map[online.Partition]bool{}, map[string]uint32{}
	for i := range lanes {
		for p := range lanes[i].Watermarks {
			partitions[p] = true
			newest[p.Source] = max(newest[p.Source], p.Generation)
		}
	}
	for p := range partitions {
		if p.Generation < newest[p.Source] {
			delete(partitions, p)
		}
	}
	return partitions
}
