package doctor

import (
	"context"
	"errors"
	"fmt"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/ingest/deadletter"
	"github.com/freshet/freshet/ingest/kafka"
	"github.com/freshet/freshet/ingest/logrecord"
)

// newestDay is how long a dead letter is news.
const newestDay = featurestore.Day

// checkLetters counts what did not decode, in the folder of this machine, and sees
// that more can be kept.
func checkLetters(ctx context.Context, e *exam) finding {
	f, no := e.needs(false, false)
	if no {
		return f
	}
	var total, fresh, damaged int
	codes := map[string]int{}
	var newest featurestore.LogTime
	for l, err := range deadletter.Read(e.parts.LettersDir(), deadletter.Filter{}) {
		var damage *deadletter.Damage
		if errors.As(err, &damage) {
			damaged++
			continue
		}
		if err != nil {
			f.add(Failed, text(err), whyLetters, "mend the folder "+e.parts.LettersDir())
			return f
		}
		total++
		if featurestore.Instant(l.LogTime) > e.Now()-featurestore.Instant(newestDay) {
			fresh++
			codes[l.Source+" "+l.Code]++
		}
		newest = max(newest, l.LogTime)
		if ctx.Err() != nil {
			break
		}
	}
	switch {
	case total == 0:
		f.add(OK, "none")
	case fresh == 0:
		f.add(OK, fmt.Sprintf("%d, the newest of %s", total, newest))
	default:
		f.add(Warning, fmt.Sprintf("%d, of these %d of the last day: %s", total, fresh, counted(codes)), "records that did not become events are in no value; too many halt their source's views", "freshet dlq ls; once they decode, freshet dlq replay")
	}
	if err := writable(e.parts.LettersDir()); err != nil {
		f.add(Failed, text(err), whyLetters, "mend the folder "+e.parts.LettersDir())
	}
	if damaged > 0 {
		f.add(Warning, fmt.Sprintf("lines that are no dead letters: %d", damaged), "the records that stood there cannot be listed or replayed; nothing else stops for them", "freshet dlq ls names each line; mend or delete it while no ingester runs")
	}
	if e.settings.Ingest.DeadLetters.Topic {
		f.topics(ctx, e)
	}
	return f
}

const whyLetters = "dead letters that cannot be kept stop their source"

// topics looks whether letters can be copied to the topic of each source.
func (f *finding) topics(ctx context.Context, e *exam) {
	client, ok := e.parts.Log.(*kafka.Client)
	if !ok || e.project == nil {
		f.add(Skipped, "the topics of dead letters need the log, and what is applied")
		return
	}
	names := deadletter.NewTopic(nil, e.settings.Project, nil)
	user := "USER"
	if s := e.settings.Log.Kafka.SASL; s != nil {
		user = s.Username
	}
	for _, s := range e.project.StreamSources {
		topic := names.Name(s.Topic)
		allow := func(operation string) string {
			return fmt.Sprintf("kafka-acls.sh --add --allow-principal User:%s --operation %s --topic %s", user, operation, topic)
		}
		rights, err := client.Rights(ctx, topic)
		switch {
		case errors.Is(err, featurestore.ErrNotFound):
			if err := client.MayCreate(ctx, logrecord.TopicSpec{Name: topic, Partitions: 1}); err != nil {
				f.add(Failed, fmt.Sprintf("there is no topic %s, and it may not be made: %s", topic, text(err)), whyLetters, fmt.Sprintf("kafka-topics.sh --create --topic %s --partitions 1, and %s; or %s", topic, allow("Write"), allow("Create"))).Of = s.Name
			} else {
				f.add(OK, "the topic "+topic+" is made with the first letter").Of = s.Name
			}
		case errors.Is(err, featurestore.ErrInvalid):
			f.add(Failed, text(err), whyLetters, allow("Write")).Of = s.Name
		case err != nil:
			f.add(Warning, text(err), "whether letters can be copied is not known", "look at the brokers").Of = s.Name
		case !rights.Write:
			f.add(Failed, "this user may not write the topic "+topic, whyLetters, allow("Write")).Of = s.Name
		default:
			f.add(OK, "the topic "+topic+" can be written").Of = s.Name
		}
	}
}
