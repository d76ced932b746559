package cli

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"github.com/freshet/freshet/cmd/internal/node"
	"github.com/freshet/freshet/cmd/internal/settings"
	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/featurestore/definition"
	"github.com/freshet/freshet/ingest/deadletter"
	"github.com/freshet/freshet/ingest/logrecord"
)

// DLQCommand is `dlq`: what did not decode. It reads the folder, beside a running
// ingester too.
func (a *App) DLQCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "dlq", Short: "Dead letters: records that did not become events, and why"}
	cmd.AddCommand(a.dlqListCommand(), a.dlqShowCommand(), a.dlqReplayCommand())
	return cmd
}

// letterFilter are the flags by which letters are chosen.
type letterFilter struct {
	deadletter.Filter
	position string
}

func (f *letterFilter) flags(cmd *cobra.Command) {
	cmd.Flags().StringVar(&f.Source, "source", "", "of this source")
	cmd.Flags().StringVar(&f.Code, "code", "", "refused for this reason, as DECODE_TYPE")
}

func lettersDir(s *settings.Settings) string { return filepath.Join(s.Offline.Dir, "deadletters") }

// eachLetter gives the chosen of the letters that stand when it begins, each once, and
// says which lines are none. It returns how many those are.
func (a *App) eachLetter(s *settings.Settings, f *letterFilter, do func(deadletter.DeadLetter) error) (damaged int, err error) {
	for l, err := range deadletter.Read(lettersDir(s), f.Filter) {
		var damage *deadletter.Damage
		if errors.As(err, &damage) {
			damaged++
			fmt.Fprintf(a.Stderr, "warning: %v: passed over\n", damage)
			continue
		}
		if err != nil {
			return damaged, err
		}
		if f.position != "" && f.position != l.Position() {
			continue
		}
		if err := do(l); err != nil {
			return damaged, err
		}
	}
	return damaged, nil
}

// letterLine is a letter as it is listed: without the record's bytes, which may
// be personal.
type letterLine struct {
	Position string `json:"position"`
	LogTime  string `json:"log_time"`
	Code     string `json:"code"`
	Message  string `json:"message"`
	Bytes    int    `json:"bytes"`
}

func lineOf(l *deadletter.DeadLetter) letterLine {
	return letterLine{Position: l.Position(), LogTime: l.LogTime.String(), Code: l.Code, Message: l.Message, Bytes: len(l.Value)}
}

// newestLetters are the newest letters by log time: the segments of several
// ingesters are not in one order.
type newestLetters struct {
	limit, total int
	times        []featurestore.LogTime // of lines, oldest first
	lines        []letterLine
}

func (n *newestLetters) add(l deadletter.DeadLetter) error {
	n.total++
	at := len(n.times)
	for at > 0 && n.times[at-1] > l.LogTime {
		at--
	}
	if at == 0 && len(n.times) == n.limit {
		return nil
	}
	n.times, n.lines = slices.Insert(n.times, at, l.LogTime), slices.Insert(n.lines, at, lineOf(&l))
	if len(n.times) > n.limit {
		n.times, n.lines = n.times[1:], n.lines[1:]
	}
	return nil
}

func (a *App) dlqListCommand() *cobra.Command {
	var f letterFilter
	var limit int
	cmd := &cobra.Command{
		Use: "ls", Short: "The newest dead letters", Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			s, err := a.Settings()
			if err != nil {
				return err
			}
			if limit < 1 {
				return featurestore.Invalidf("--limit %d: ask for at least one letter", limit)
			}
			newest := newestLetters{limit: limit, lines: []letterLine{}}
			damaged, err := a.eachLetter(s, &f, newest.add)
			if err != nil {
				return err
			}
			lines := newest.lines
			t := Table{Head: []string{"POSITION", "LOG TIME", "CODE", "MESSAGE"}, Foot: fmt.Sprintf("%d of %d dead letters", len(lines), newest.total)}
			if damaged > 0 {
				t.Foot += fmt.Sprintf("; damaged lines: %d", damaged)
			}
			for _, l := range lines {
				t.Rows = append(t.Rows, []string{l.Position, l.LogTime, l.Code, l.Message})
				t.Names = append(t.Names, l.Position)
			}
			return a.Print(lines, t)
		},
	}
	f.flags(cmd)
	cmd.Flags().IntVar(&limit, "limit", 20, "letters to show, the newest")
	return cmd
}

// letterDetail is a letter with its record.
type letterDetail struct {
	letterLine
	Key     string            `json:"key"`
	Value   string            `json:"value"`
	Headers map[string]string `json:"headers,omitempty"`
}

func (a *App) dlqShowCommand() *cobra.Command {
	return &cobra.Command{
		Use: "show POSITION", Short: "A dead letter with its record, which may hold personal data", Args: cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			s, err := a.Settings()
			if err != nil {
				return err
			}
			var found *letterDetail
			f := letterFilter{position: args[0]}
			_, err = a.eachLetter(s, &f, func(l deadletter.DeadLetter) error {
				found = &letterDetail{letterLine: lineOf(&l), Key: shownBytes(l.Key), Value: shownBytes(l.Value), Headers: map[string]string{}}
				for k, v := range l.Headers.All() {
					found.Headers[k] = shownBytes(v)
				}
				return nil
			})
			if err != nil {
				return err
			}
			if found == nil {
				return featurestore.NotFoundf("there is no dead letter at %q (see `freshet dlq ls -o name`)", args[0])
			}
			rows := [][]string{{"position", found.Position}, {"log time", found.LogTime}, {"code", found.Code}, {"message", found.Message}, {"key", found.Key}, {"value", found.Value}}
			for k, v := range found.Headers {
				rows = append(rows, []string{"header " + k, v})
			}
			return a.Print(found, Table{Rows: rows, Names: []string{found.Position}})
		},
	}
}

// shownBytes is text as it is, and other bytes in base64.
func shownBytes(b []byte) string {
	switch {
	case b == nil:
		return "(null)"
	case utf8.Valid(b):
		return string(b)
	}
	return "base64:" + base64.StdEncoding.EncodeToString(b)
}

// resendBatch is how many records are sent at once.
const resendBatch = 500

func (a *App) dlqReplayCommand() *cobra.Command {
	var f letterFilter
	var again, dry bool
	cmd := &cobra.Command{
		Use: "replay", Short: "Send records to their topics again, once what refused them is mended", Args: cobra.NoArgs,
		Long: "Send the records of dead letters to their topics again, as they came and with their own time. Each is sent once: what was sent before is left out, unless --again.\n" +
			"It takes the letters that stand when it begins: where records are refused again, the letters of those are for the next replay.\n" +
			"What a generation that answers may have counted, because it read by an older definition when a newer one refused it, is left out, unless --again: it would count twice.\n" +
			"A record that was sent twice by a crash counts twice, unless its source has an event_id.",
		RunE: func(cmd *cobra.Command, _ []string) (err error) {
			s, err := a.Settings()
			if err != nil {
				return err
			}
			project, _, err := a.LoadProject(s.Root)
			if err != nil {
				return err
			}
			need := node.NeedLog
			if dry {
				need = 0
			}
			parts, err := node.Open(cmd.Context(), s, node.StoredClock(), a.Logger(), need)
			if err != nil {
				return fmt.Errorf("%w (an embedded log is open in one process only: stop the server first)", err)
			}
			defer closing(parts.Close, &err)
			r := &resender{app: a, project: project, again: again, log: parts.Log}
			if r.counted, err = countedOf(cmd.Context(), parts); err != nil {
				return err
			}
			if r.resent, err = deadletter.OpenResent(lettersDir(s)); err != nil {
				return err
			}
			defer closing(r.resent.Close, &err)
			if err := r.send(cmd.Context(), s, &f); err != nil {
				return err
			}
			if text := r.counted.text(r.Counts.Counted); text != "" {
				a.Note("note: %s", text)
			}
			return a.Print(r.Counts, Table{Rows: [][]string{
				{"letters", fmt.Sprint(r.Counts.Letters)}, {"sent", fmt.Sprint(r.Counts.Sent)}, {"sent before", fmt.Sprint(r.Counts.Before)}, {"rows of files", fmt.Sprint(r.Counts.Rows)}, {"without a source", fmt.Sprint(r.Counts.Unknown)}, {"damaged lines", fmt.Sprint(r.Counts.Damaged)}, {"counted", fmt.Sprint(r.Counts.Counted)},
			}})
		},
	}
	f.flags(cmd)
	cmd.Flags().StringVar(&f.position, "position", "", "the letter at this position alone")
	cmd.Flags().BoolVar(&again, "again", false, "also what was sent before, and what a generation that answers may have counted")
	cmd.Flags().BoolVar(&dry, "dry-run", false, "only count")
	return cmd
}

// resender sends letters in batches of one source.
type resender struct {
	app     *App
	project *definition.Project
	log     logrecord.Log // nil: only count
	resent  *deadletter.Resent
	counted countedLetters
	again   bool
	batch   []deadletter.DeadLetter
	Counts  resendCounts
}

type resendCounts struct {
	Letters int `json:"letters"` // that stood when it began
	Sent    int `json:"sent"`
	Before  int `json:"sent_before"`
	Rows    int `json:"rows_of_files"`
	Unknown int `json:"without_a_source"`
	Damaged int `json:"damaged_lines"`
	Counted int `json:"counted"` // not sent, because a generation that answers may have counted them
}

// send sends the chosen of the letters that stand when it begins; those that its
// own records come to be meanwhile are not among them.
func (r *resender) send(ctx context.Context, s *settings.Settings, f *letterFilter) (err error) {
	if r.Counts.Damaged, err = r.app.eachLetter(s, f, func(l deadletter.DeadLetter) error { return r.add(ctx, l) }); err != nil {
		return err
	}
	return r.flush(ctx)
}

func (r *resender) add(ctx context.Context, l deadletter.DeadLetter) error {
	r.Counts.Letters++
	switch {
	case !l.HasRecord():
		r.Counts.Rows++
		return nil
	case r.project.StreamSource(l.Source) == nil:
		r.Counts.Unknown++
		return nil
	case r.resent.Has(&l) && !r.again:
		r.Counts.Before++
		return nil
	}
	if !r.again {
		if counted, err := r.counted.has(&l); err != nil || counted {
			r.Counts.Counted++
			return err
		}
	}
	if n := len(r.batch); n == resendBatch || n > 0 && (r.batch[0].Source != l.Source || r.batch[0].Partition != l.Partition) {
		if err := r.flush(ctx); err != nil {
			return err
		}
	}
	r.batch = append(r.batch, l)
	return nil
}

func (r *resender) flush(ctx context.Context) error {
	if len(r.batch) == 0 {
		return nil
	}
	r.Counts.Sent += len(r.batch)
	if r.log != nil {
		records := make([]logrecord.Record, len(r.batch))
		for i := range r.batch {
			records[i] = r.batch[i].Record()
		}
		if _, err := r.log.Produce(ctx, r.project.StreamSource(r.batch[0].Source).Topic, r.batch[0].Partition, records); err != nil {
			return err
		}
		if err := r.resent.Add(r.batch...); err != nil {
			return err
		}
	}
	r.batch = r.batch[:0]
	return nil
}
