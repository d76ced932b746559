package cli

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/featurestore/registry"
	"github.com/freshet/freshet/featurestore/registry/sqlite"
)

// SwitchCommand is `switch`.
func (a *App) SwitchCommand() *cobra.Command {
	var how switchHow
	cmd := &cobra.Command{
		Use: "switch VIEW[@GENERATION]...", Short: "Let the generation before answer again, at once", Args: cobra.MinimumNArgs(1),
		Long: "Go back to the generation that answered before, which is STANDBY and still written (`freshet status` shows it): all named views in one step, and no lookup sees both generations of a view.\n" +
			"The definitions stay as they are: where the generation before has another meaning, the revision before answers, and another switch of the same views, or the next `apply` that changes anything, brings the newer one back. Apply what shall stay.\n" +
			"A generation that would not answer (GAP, LOST, ...), stands still (HALTED), or cannot be looked at, is refused, with the reason and the next command.",
		RunE: func(cmd *cobra.Command, args []string) error { return a.switchTo(cmd.Context(), args, how) },
	}
	cmd.Flags().StringVar(&how.reason, "reason", "", "why, for `status`")
	cmd.Flags().BoolVar(&how.force, "force", false, "also to a generation that does not answer, or cannot be looked at")
	return cmd
}

// switchHow is how a person switches.
type switchHow struct {
	reason string
	force  bool
}

// Switched is the result of `switch`.
type Switched struct {
	Views    []SwitchedView `json:"views"`
	Revision int64          `json:"revision"` // that answers now
	Newest   int64          `json:"newest"`
}

// SwitchedView is a view and the generation that answers for it.
type SwitchedView struct {
	View       string `json:"view"`
	Generation uint32 `json:"generation"`
	Before     uint32 `json:"before"`
}

func (a *App) switchTo(ctx context.Context, args []string, how switchHow) (err error) {
	s, err := a.Settings()
	if err != nil {
		return err
	}
	r, err := sqlite.Open(ctx, s.Registry.SQLite, s.Online.Lanes)
	if err != nil {
		return err
	}
	defer closing(r.Close, &err)
	p := &switching{registry: r, live: map[string]registry.Generation{}, before: map[string]uint32{}}
	if err := p.plan(ctx, args); err != nil {
		return err
	}
	done := Switched{Views: []SwitchedView{}}
	if done.Revision, done.Newest, err = p.revision(ctx); err != nil {
		return err
	}
	switch unfit := p.unfit(ctx, s, a.Addr); {
	case unfit != "" && !how.force:
		return featurestore.Invalidf("nothing was switched: %s. --force switches nevertheless", unfit)
	case unfit != "":
		a.Note("warning: %s", unfit)
	}
	text := "`freshet switch`"
	if how.reason != "" {
		text += ": " + how.reason
	}
	if err := r.Switch(ctx, p.choices, text, featurestore.InstantOf(time.Now())); err != nil {
		return err
	}
	t := Table{Head: []string{"VIEW", "GENERATION", "BEFORE"}, Foot: fmt.Sprintf("Revision %d answers.", done.Revision)}
	for _, c := range p.choices {
		done.Views = append(done.Views, SwitchedView{c.View, c.Number, p.before[c.View]})
		t.Rows = append(t.Rows, []string{c.View, fmt.Sprint(c.Number), fmt.Sprint(p.before[c.View])})
		t.Names = append(t.Names, c.View)
	}
	if done.Revision != done.Newest {
		a.Note("note: revision %d answers, not the newest, %d: apply the definitions that shall stay; `freshet switch` of the same views goes forward again, and so does the next apply that changes anything", done.Revision, done.Newest)
	}
	return a.Print(done, t)
}

// switching is a switch before it is done: what will be live, and whether that
// makes a whole revision.
type switching struct {
	list     []registry.Generation
	registry registry.Store
	choices  []registry.Choice
	live     map[string]registry.Generation // as it will be
	before   map[string]uint32
}

func (p *switching) plan(ctx context.Context, args []string) error {
	list, err := p.registry.Generations(ctx)
	if err != nil {
		return err
	}
	p.list = list
	for _, g := range list {
		if g.State == registry.Live {
			p.live[g.View], p.before[g.View] = g, g.Number
		}
	}
	for _, arg := range args {
		view, number, err := generationArg(arg)
		if err != nil {
			return err
		}
		g := choose(list, view, number)
		if g == nil {
			return featurestore.NotFoundf("view %q has no generation%s that is STANDBY: one is kept for ingest.keep_previous after another has taken over (see `freshet status`)", view, ofNumber(number))
		}
		p.choices = append(p.choices, registry.Choice{View: view, Number: g.Number})
		p.live[view] = *g
	}
	return nil
}

// choose is the standby generation of a view, or that of a number, which may also
// be live already.
func choose(list []registry.Generation, view string, number uint32) *registry.Generation {
	for i, g := range list {
		if g.View == view && (g.State == registry.Standby && (number == 0 || g.Number == number) || g.State == registry.Live && g.Number == number) {
			return &list[i]
		}
	}
	return nil
}

func generationArg(arg string) (view string, number uint32, err error) {
	view, text, given := strings.Cut(arg, "@")
	if !given {
		return view, 0, nil
	}
	n, err := strconv.ParseUint(text, 10, 32)
	if err != nil || n == 0 {
		return "", 0, featurestore.Invalidf("%q: write VIEW, or VIEW@GENERATION with the number that `freshet status` shows", arg)
	}
	return view, uint32(n), nil
}

func ofNumber(n uint32) string {
	if n == 0 {
		return ""
	}
	return fmt.Sprintf(" %d", n)
}

// revision is the one that will answer. Where none would be whole, the switch is
// refused: some views would answer REBUILDING.
func (p *switching) revision(ctx context.Context) (chosen, newest int64, err error) {
	if newest, err = p.registry.CurrentNumber(ctx); err != nil {
		return 0, 0, err
	}
	load := LoaderOf(ctx, p.registry)
	chosen, whole, err := registry.Choose(newest, p.live, load)
	if err != nil || whole {
		return chosen, newest, err
	}
	meanings := map[string]int64{}
	for _, c := range p.choices {
		meanings[c.View] = p.live[c.View].Revision
	}
	out, err := registry.WayOut(newest, p.list, load)
	if err != nil {
		return 0, 0, err
	}
	way := ""
	if next := out.Next(); next != "" {
		way = fmt.Sprintf(" (to go on to revision %d: %s)", out.Revision, next)
	}
	return 0, 0, featurestore.Invalidf("no revision has all of these meanings, so that some views would answer REBUILDING: switch the views that changed together in one step (the generations come from revisions %v)%s", meanings, way)
}
