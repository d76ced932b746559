package doctor

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"time"

	"github.com/freshet/freshet/cmd/internal/node"
	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/featurestore/definition"
	"github.com/freshet/freshet/ingest/kafka"
	"github.com/freshet/freshet/ingest/worker"
)

// checkLog connects to the log: addresses, TLS, SASL.
func checkLog(ctx context.Context, e *exam) finding {
	f, no := e.needs(false, false)
	if no {
		return f
	}
	if dir := e.settings.Log.Embedded; dir != "" {
		if _, err := os.Stat(dir); errors.Is(err, os.ErrNotExist) {
			f.add(OK, "embedded, not made yet: "+dir)
		} else if err != nil {
			f.add(Failed, text(err), "events can be neither taken nor applied", "mend the folder's rights")
		} else {
			f.add(OK, "embedded, in "+dir+"; the process that ingests has it")
		}
		return f
	}
	opened := node.Closed(e.settings, e.parts.Clock, e.Logger)
	opened.Patience = e.Timeout * 4 / 10 // so that the reason comes before the deadline, and soon
	if err := opened.OpenLog(ctx); err != nil {
		f.add(Failed, text(err), "nothing new is applied, and lookups get older", "look at the brokers, and at log.kafka: brokers, tls, sasl")
		f.keep = func(e *exam) { e.parts.LogSilent = err }
		return f
	}
	f.add(OK, fmt.Sprintf("Kafka at %v answers", e.settings.Log.Kafka.Brokers))
	f.keep = func(e *exam) {
		e.parts.Log, e.parts.Schemas = opened.Log, opened.Schemas
		e.closers = append(e.closers, opened.Close)
	}
	return f
}

// shortRetention is below what a weekend without an ingester may take.
const shortRetention = 24 * time.Hour

// checkSources looks at the topic of each source that is applied.
func checkSources(ctx context.Context, e *exam) finding {
	f, no := e.needs(true, false)
	if no {
		return f
	}
	if e.settings.Log.Kafka == nil {
		return skip("an embedded log is looked at by the process that has it")
	}
	client, ok := e.parts.Log.(*kafka.Client)
	if !ok {
		return skip("it needs the log")
	}
	for _, s := range e.project.StreamSources {
		topic, err := client.Describe(ctx, s.Topic)
		switch {
		case errors.Is(err, featurestore.ErrNotFound):
			f.add(Failed, fmt.Sprintf("there is no topic %q", s.Topic), "its views wait for it", fmt.Sprintf("kafka-topics.sh --create --topic %s --partitions 8, or correct kafka.topic of the source", s.Topic)).Of = s.Name
		case err != nil:
			f.add(Failed, text(err), "nothing of this source is applied", "look at the brokers, and at what the user may do with the topic").Of = s.Name
		default:
			state, seen, why, next := judgeTopic(topic, s)
			if rights, err := client.Rights(ctx, s.Topic); err == nil && !rights.Read { // where it is not told, the fetches say so
				state, seen, why = Failed, "this user may not read the topic "+s.Topic, "nothing of this source is applied"
				next = "kafka-acls.sh --add --allow-principal User:NAME --operation Read --topic " + s.Topic
			}
			f.add(state, seen, why, next).Of = s.Name
			f.history(ctx, e, s)
		}
	}
	if len(f.results) == 0 {
		return skip("nothing that is applied reads a stream")
	}
	return f
}

// judgeTopic says the worst of what a topic is.
func judgeTopic(t *kafka.Topic, s *definition.StreamSource) (State, string, string, string) {
	seen := fmt.Sprintf("topic %s: %d partitions, %d replicas", s.Topic, t.Partitions, t.Replicas)
	if t.Unread != nil {
		seen += "; its settings may not be read (" + text(t.Unread) + ")"
	} else {
		seen += fmt.Sprintf(", %s %s, %s %s, %s %s", kafka.MinInSync, t.Settings[kafka.MinInSync], kafka.RetentionMS, t.Settings[kafka.RetentionMS], kafka.CleanupPolicy, t.Settings[kafka.CleanupPolicy])
	}
	retention, _ := strconv.ParseInt(t.Settings[kafka.RetentionMS], 10, 64) // -1 is for ever; 0 where it is not known
	least, _ := strconv.Atoi(t.Settings[kafka.MinInSync])
	const lose = "the brokers may lose records that they have acknowledged; where these were applied, the views halt in a GAP"
	switch {
	case len(t.Leaderless) > 0:
		return Failed, fmt.Sprintf("%s; no broker leads the partitions %v", seen, t.Leaderless), "they can be neither written nor read", "look at the brokers"
	case len(t.OutOfSync) > 0:
		return Warning, fmt.Sprintf("%s; replicas are behind in the partitions %v", seen, t.OutOfSync), lose, "look at the brokers"
	case t.Settings[kafka.CleanupPolicy] == "compact" || t.Settings[kafka.CleanupPolicy] == "compact,delete":
		return Warning, seen, "compaction removes older records of a key: what was not applied until then is in no value, and what was applied and not yet at rest is in none that is built later", "kafka-configs.sh --alter --topic " + s.Topic + " --add-config cleanup.policy=delete, or min.compaction.lag.ms=604800000 (longer than any outage), unless only the newest record of a key shall count"
	case retention > 0 && time.Duration(retention)*time.Millisecond < shortRetention:
		return Warning, seen, fmt.Sprintf("records expire after %s: an ingester that is away for longer leaves its views in a GAP", time.Duration(retention)*time.Millisecond), "kafka-configs.sh --alter --topic " + s.Topic + " --add-config retention.ms=604800000"
	case t.Brokers > 1 && (t.Replicas < 2 || least == 1 && t.Unread == nil):
		return Warning, seen, lose, "three replicas, and min.insync.replicas=2"
	}
	return OK, seen, "", ""
}

// gapNext leads out of a GAP. What has expired comes back by no start, and by a
// restored topic only where somebody kept the records.
func gapNext(gap *worker.LogState, source string) string {
	accept := "freshet accept-new-topic " + source
	if gap.Expired {
		return accept + " goes on with what the topic holds, without what has expired: a start of the ingester does not help; or, where the records were kept, restore them with their offsets, then start it"
	}
	return "restore the topic, and start the ingester again where freshet status says so; or " + accept
}

// history compares the topic with what was applied of it, as the ingester does.
func (f *finding) history(ctx context.Context, e *exam, s *definition.StreamSource) {
	if e.parts.Online == nil {
		return
	}
	state, err := e.parts.InspectTopic(ctx, e.project, s)
	if err != nil {
		f.add(Warning, text(err), "whether the topic is the one that was applied is not known", "freshet doctor, with a longer --timeout").Of = s.Name
		return
	}
	if gap := state.Gap(); gap != nil {
		f.add(Failed, fmt.Sprintf("partition %d: %s", gap.Partition, gap.Gap), "the views of this source stand still: nothing of another log is applied, and nothing is jumped over", gapNext(gap, s.Name)).Of = s.Name
		return
	}
	lag, rest := int64(0), state.Lost
	for _, p := range state.Partitions {
		lag += max(0, p.End-p.Next)
	}
	f.add(OK, fmt.Sprintf("the records are those that were applied; %d are not applied yet, %d that were are not at rest yet", lag, rest)).Of = s.Name
}
