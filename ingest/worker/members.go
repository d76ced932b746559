package worker

import (
	"context"
	"errors"
	"slices"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/featurestore/online"
	"github.com/freshet/freshet/ingest/logrecord"
)

// members is this process's place among the ingesters of its project. Without a
// joiner it is alone, and everything is its own.
type members struct {
	joiner logrecord.Joiner
	name   string // of the group
	topics []string
	group  logrecord.Group
	now    *logrecord.Assignment
}

// share is what of the work is this process's. The zero share is everything.
type share struct {
	assignment *logrecord.Assignment
	first      string // the topic whose first partition makes its owner lead
}

// of gives the share of some topics that exist, ascending; it joins the group,
// or joins it anew for other topics, and waits for an assignment.
func (m *members) of(ctx context.Context, topics []string) (share, error) {
	if m.joiner == nil || len(topics) == 0 {
		return share{}, nil
	}
	if m.group != nil && !slices.Equal(m.topics, topics) {
		if err := m.leave(); err != nil {
			return share{}, err
		}
	}
	if m.group == nil {
		group, err := m.joiner.Join(m.name, topics)
		if err != nil {
			return share{}, err
		}
		m.group, m.topics = group, topics
	}
	if m.now == nil || ended(m.now) {
		now, err := m.group.Next(ctx)
		if err != nil {
			return share{}, err
		}
		m.now = now
	}
	return share{assignment: m.now, first: topics[0]}, nil
}

// leave gives everything back, so that others take it at once.
func (m *members) leave() error {
	if m.group == nil {
		return nil
	}
	err := m.group.Close()
	m.group, m.now = nil, nil
	return err
}

func ended(a *logrecord.Assignment) bool {
	select {
	case <-a.Lost:
		return true
	default:
		return false
	}
}

// owns reports whether a partition of a topic is this process's to read.
func (s share) owns(topic string, partition int32) bool {
	return s.assignment == nil || s.assignment.Owns(topic, partition)
}

// leads reports whether this process does what one alone must do: fill
// generations, make them live, make lost ones anew.
func (s share) leads() bool { return s.owns(s.first, 0) }

// lost is closed when the share ends; nil, which never is, for who is alone.
func (s share) lost() <-chan struct{} {
	if s.assignment == nil {
		return nil
	}
	return s.assignment.Lost
}

// handOver gives back what an ended share had, sealed, for the others to go on:
// also what this arrangement does not read, because its views are being filled.
func (w *Worker) handOver(s share) error {
	if s.assignment == nil || !ended(s.assignment) {
		return nil
	}
	err := w.release(func(*partition) bool { return true })
	s.assignment.Release()
	return err
}

// releaseOthers gives back the archives of partitions that the arrangement before
// had and this one has not: a share may also change without having been lost.
func (w *Worker) releaseOthers(mine share) error {
	return w.release(func(p *partition) bool { return !mine.owns(p.source.Topic, p.number) })
}

// release gives back the archives of some partitions.
func (w *Worker) release(which func(*partition) bool) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	var errs []error
	keep := map[online.Partition]*partition{}
	for _, p := range w.holding {
		switch {
		case w.archives[p.source.Name] != p.archive: // it was closed
		case which(p):
			errs = append(errs, p.archive.release(p.archived()))
		default:
			keep[p.id()] = p
		}
	}
	w.holding = w.holding[:0]
	for _, p := range keep {
		w.holding = append(w.holding, p)
	}
	return errors.Join(errs...)
}

// commit tells the group how far the partitions are, for dashboards of lag.
func (w *Worker) commit(s share, parts []*partition) {
	if s.assignment == nil || ended(s.assignment) {
		return
	}
	next := map[string]map[int]int64{}
	for _, p := range parts {
		status, ok := w.progress.status(p.id())
		if !ok || !p.begun.Load() {
			continue
		}
		if next[p.source.Topic] == nil {
			next[p.source.Topic] = map[int]int64{}
		}
		next[p.source.Topic][int(p.number)] = status.Through + 1
	}
	if len(next) == 0 {
		return
	}
	if err := s.assignment.Commit(next); err != nil && !ended(s.assignment) {
		w.c.Logger.Warn("the group was not told how far this process is: dashboards of lag are behind", "error", err)
	}
}

// existing are the topics of the wanted views that are there, ascending.
func (w *Worker) existing(ctx context.Context, a *arrangement) ([]string, error) {
	var topics []string
	for _, v := range a.views {
		for _, b := range v.view.Bindings {
			topics = append(topics, b.Source.Topic)
		}
	}
	slices.Sort(topics)
	topics = slices.Compact(topics)
	there := topics[:0]
	for _, topic := range topics {
		n, err := w.c.Log.Partitions(ctx, topic)
		switch {
		case err == nil && n > 0:
			there = append(there, topic)
		case err != nil && !errors.Is(err, featurestore.ErrNotFound):
			return nil, err
		}
	}
	return there, nil
}
