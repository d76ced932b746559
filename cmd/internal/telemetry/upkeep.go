package telemetry

import (
	"strconv"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/freshet/freshet/featurestore/offline"
	"github.com/freshet/freshet/featurestore/online"
	"github.com/freshet/freshet/ingest/history"
	"github.com/freshet/freshet/ingest/worker"
)

// Generation is where a generation of a view is in its life.
type Generation struct {
	View   string
	Number uint32
	State  string

	Filling   bool // from history, or catching up with the log
	Records   int64
	Of        int64 // -1: nobody has counted
	PerSecond float64

	Rereading        bool // fields that history lacks, from the log
	Reread, RereadOf int64
}

// Archive is what is at rest of a source.
type Archive struct {
	Source      string
	Files       int
	Bytes, Rows int64
	Holes       int
	DroppedRows int64
	Next        map[offline.Partition]int64 // the offset behind it
}

// Upkeep is what this process has done for the archives.
type Upkeep struct {
	Done  map[string]history.Compacted // by source
	Fails int64
}

var (
	auditRuns     = desc("audit_runs_total", "Audits of this process that have ended.")
	auditEnded    = desc("audit_last_end_timestamp_seconds", "When the last audit of this process ended; 0 where none has.")
	auditEntities = desc("audit_entities_total", "Entities by what the audits of this process found: compared, mismatched, repaired.", "outcome")
	auditSkipped  = desc("audit_skipped_entities", "Entities that the last audit could not compare.")
	auditTroubled = desc("audit_troubled", "1 where the last audit could not look at a view.")

	generationState  = desc("generation_state", "1; the label is the state of the generation, as `freshet status` shows it.", "view", "generation", "state")
	rebuildRecords   = desc("rebuild_records", "Records of history that a generation which is being filled has applied.", "view", "generation")
	rebuildRecordsOf = desc("rebuild_records_expected", "Records of history that it is filled from; absent where nobody has counted.", "view", "generation")
	rereadRows       = desc("rebuild_reread_rows", "Rows at rest that were given fields which they lacked, read again from the log for a generation that is being filled; absent where that is not under way.", "view", "generation")
	rereadRowsOf     = desc("rebuild_reread_rows_expected", "Rows at rest that are to get such fields; likewise.", "view", "generation")
	rebuildRate      = desc("rebuild_records_per_second", "How fast it was filled so far; 0 once it catches up with the log.", "view", "generation")

	historyFiles   = desc("history_files", "Files at rest of a source.", "source")
	historyBytes   = desc("history_bytes", "Bytes of the files at rest of a source.", "source")
	historyRows    = desc("history_rows", "Rows at rest of a source.", "source")
	historyHoles   = desc("history_holes", "Ranges of offsets that are missing between others.", "source")
	historyDropped = desc("history_dropped_rows_total", "Rows that retention has dropped.", "source")
	historyLost    = desc("history_lost_records", "Offsets of a partition that were at rest and are neither there nor in its log any more; not those that were accepted.", "source", "generation", "partition")
	historyLag     = desc("history_unsealed_records", "Applied records of a partition that are not at rest yet.", "source", "generation", "partition")
	compactedFiles = desc("history_compacted_files_total", "Files that this process has merged: merged, and those that they became: made.", "source", "files")
	compactedBytes = desc("history_compacted_bytes_total", "Bytes that this process has written to merge files.", "source")
	upkeepFails    = desc("history_upkeep_failures_total", "Times that this process could not put the archive of a source in order.")
)

func audit(out chan<- prometheus.Metric, s worker.AuditStatus) {
	ended, troubled := 0.0, 0.0
	if s.Ended != 0 {
		ended = float64(s.Ended) / 1e6
	}
	if s.Trouble != "" {
		troubled = 1
	}
	counter(out, auditRuns, float64(s.Runs))
	gauge(out, auditEnded, ended)
	counter(out, auditEntities, float64(s.Compared), "compared")
	counter(out, auditEntities, float64(s.Findings), "mismatched")
	counter(out, auditEntities, float64(s.Repaired), "repaired")
	gauge(out, auditSkipped, float64(s.Skipped))
	gauge(out, auditTroubled, troubled)
}

func generations(out chan<- prometheus.Metric, list []Generation) {
	for _, g := range list {
		at := []string{g.View, strconv.Itoa(int(g.Number))}
		gauge(out, generationState, 1, append(at, g.State)...)
		if !g.Filling {
			continue
		}
		gauge(out, rebuildRecords, float64(g.Records), at...)
		if g.Of >= 0 {
			gauge(out, rebuildRecordsOf, float64(g.Of), at...)
		}
		gauge(out, rebuildRate, g.PerSecond, at...)
		if g.Rereading {
			gauge(out, rereadRows, float64(g.Reread), at...)
			gauge(out, rereadRowsOf, float64(g.RereadOf), at...)
		}
	}
}

func archives(out chan<- prometheus.Metric, list []Archive, read []worker.PartitionStatus) {
	next := map[online.Partition]int64{}
	for i := range list {
		a := &list[i]
		gauge(out, historyFiles, float64(a.Files), a.Source)
		gauge(out, historyBytes, float64(a.Bytes), a.Source)
		gauge(out, historyRows, float64(a.Rows), a.Source)
		gauge(out, historyHoles, float64(a.Holes), a.Source)
		counter(out, historyDropped, float64(a.DroppedRows), a.Source)
		for p, to := range a.Next {
			next[online.Partition{Source: a.Source, Generation: p.Generation, Number: p.Partition}] = to
		}
	}
	for _, s := range read {
		lag := max(0, s.Through+1-next[s.Partition])
		if _, archived := next[s.Partition]; !archived {
			lag = s.Events // how far its log reaches back is not known here
		}
		gauge(out, historyLag, float64(lag), s.Partition.Source, strconv.Itoa(int(s.Partition.Generation)), strconv.Itoa(int(s.Partition.Number)))
	}
}

func lost(out chan<- prometheus.Metric, missing []worker.Missing, read []worker.PartitionStatus) {
	offsets := map[online.Partition]int64{}
	for _, s := range read {
		offsets[s.Partition] = 0
	}
	for i := range missing {
		offsets[missing[i].Partition] = missing[i].Offsets()
	}
	for p, n := range offsets {
		gauge(out, historyLost, float64(n), p.Source, strconv.Itoa(int(p.Generation)), strconv.Itoa(int(p.Number)))
	}
}

func compactions(out chan<- prometheus.Metric, u *Upkeep) {
	for source, c := range u.Done {
		counter(out, compactedFiles, float64(c.Merged), source, "merged")
		counter(out, compactedFiles, float64(c.Made), source, "made")
		counter(out, compactedBytes, float64(c.BytesMade), source)
	}
	counter(out, upkeepFails, float64(u.Fails))
}
