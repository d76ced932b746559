package sqlite

import (
	"cmp"
	"context"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/featurestore/codec"
	"github.com/freshet/freshet/featurestore/registry"
)

const columns = "view, number, hash, state, since_us, revision, lanes, reason"

type querier interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
}

// query gives the generations that a condition chooses, by view and number.
func query(ctx context.Context, q querier, where string, args ...any) (list []registry.Generation, err error) {
	rows, err := q.QueryContext(ctx, "SELECT "+columns+" FROM generations WHERE "+where+" ORDER BY view, number", args...)
	if err != nil {
		return nil, featurestore.Unavailablef("registry: %w", err)
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		var g registry.Generation
		var hash string
		if err := rows.Scan(&g.View, &g.Number, &hash, &g.State, &g.Since, &g.Revision, &g.Lanes, &g.Reason); err != nil {
			return nil, err
		}
		if n, err := hex.Decode(g.Hash[:], []byte(hash)); err != nil || n != len(codec.Hash{}) {
			return nil, fmt.Errorf("generation %d of view %q has a broken hash %q", g.Number, g.View, hash)
		}
		list = append(list, g)
	}
	return list, rows.Err()
}

const inUse = "state NOT IN ('RETIRED', 'DROPPED')"

// Generations implements registry.Store.
func (s *Store) Generations(ctx context.Context) ([]registry.Generation, error) {
	return query(ctx, s.db, inUse)
}

// Retired implements registry.Store.
func (s *Store) Retired(ctx context.Context) ([]registry.Generation, error) {
	return query(ctx, s.db, "state = 'RETIRED'")
}

// moving is a transaction in which generations change their states, all at one
// instant.
type moving struct {
	*sql.Tx
	at featurestore.Instant
}

// set writes a generation's state.
func (m moving) set(ctx context.Context, g *registry.Generation, state registry.GenerationState, reason string) error {
	g.State, g.Reason, g.Since = state, reason, m.at
	_, err := m.ExecContext(ctx, "UPDATE generations SET state = ?, reason = ?, since_us = ? WHERE view = ? AND number = ?",
		string(state), reason, int64(m.at), g.View, g.Number)
	return err
}

// retire retires every generation in a state but one.
func (m moving) retire(ctx context.Context, l lives, state registry.GenerationState, except uint32, reason string) error {
	for i := range l {
		if g := &l[i]; g.State == state && g.Number != except {
			if err := m.set(ctx, g, registry.Retired, reason); err != nil {
				return err
			}
		}
	}
	return nil
}

// lives are the generations of one view, whatever their state.
type lives []registry.Generation

func livesOf(ctx context.Context, q querier, view string) (lives, error) {
	list, err := query(ctx, q, "view = ?", view)
	return list, err
}

// in is the newest generation in a state; nil for none.
func (l lives) in(state registry.GenerationState) *registry.Generation {
	for i := range slices.Backward(l) {
		if l[i].State == state {
			return &l[i]
		}
	}
	return nil
}

// number is one of them; nil where there is none.
func (l lives) number(n uint32) *registry.Generation {
	i := slices.IndexFunc(l, func(g registry.Generation) bool { return g.Number == n })
	if i < 0 {
		return nil
	}
	return &l[i]
}

// add makes the view's next generation.
func (s *Store) add(ctx context.Context, tx *sql.Tx, l lives, g registry.Generation) (registry.Generation, error) {
	g.Number, g.Lanes = 1, s.lanes
	if len(l) > 0 {
		g.Number = l[len(l)-1].Number + 1
	}
	_, err := tx.ExecContext(ctx, "INSERT INTO generations ("+columns+") VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
		g.View, g.Number, hex.EncodeToString(g.Hash[:]), string(g.State), int64(g.Since), g.Revision, g.Lanes, g.Reason)
	return g, err
}

func (s *Store) setTargets(ctx context.Context, tx *sql.Tx, r *registry.Revision, targets []registry.Target) error {
	m, wanted := moving{tx, r.Applied}, map[string]bool{}
	for _, t := range targets {
		wanted[t.View] = true
		if err := s.setTarget(ctx, m, r, t); err != nil {
			return err
		}
	}
	list, err := query(ctx, tx, inUse)
	if err != nil {
		return err
	}
	for i := range list {
		if !wanted[list[i].View] {
			if err := m.set(ctx, &list[i], registry.Retired, "the view was removed"); err != nil {
				return err
			}
		}
	}
	return nil
}

// setTarget makes sure that a view's meaning is held or being built, and that no
// other is being built.
func (s *Store) setTarget(ctx context.Context, m moving, r *registry.Revision, t registry.Target) error {
	l, err := livesOf(ctx, m, t.View)
	if err != nil {
		return err
	}
	live, building, standby := l.in(registry.Live), l.in(registry.Building), l.in(registry.Standby)
	keep := uint32(0)
	if building != nil && building.Hash == t.Hash {
		keep = building.Number
	}
	if err := m.retire(ctx, l, registry.Building, keep, "replaced while building"); err != nil {
		return err
	}
	if keep != 0 || live != nil && live.Hash == t.Hash {
		return nil
	}
	if standby != nil && standby.Hash == t.Hash {
		return m.set(ctx, standby, registry.Building, "its meaning is wanted again")
	}
	if err := m.retire(ctx, l, registry.Broken, 0, "replaced"); err != nil {
		return err
	}
	next := registry.Generation{View: t.View, Hash: t.Hash, State: registry.Building, Reason: "to be filled from history", Since: r.Applied, Revision: r.Number}
	if len(l) == 0 {
		next.State, next.Reason = registry.Live, "the first generation"
	}
	_, err = s.add(ctx, m.Tx, l, next)
	return err
}

// Rebuild implements registry.Store.
func (s *Store) Rebuild(ctx context.Context, o registry.Order) (g registry.Generation, err error) {
	err = s.transact(ctx, func(tx *sql.Tx) error {
		var current int64
		if err := tx.QueryRowContext(ctx, "SELECT COALESCE(MAX(number), 0) FROM revisions").Scan(&current); err != nil {
			return err
		}
		if current != o.Revision {
			return fmt.Errorf("revision %d stands, not %d: %w", current, o.Revision, registry.ErrLostRace)
		}
		l, err := livesOf(ctx, tx, o.View)
		if err != nil {
			return err
		}
		m := moving{tx, o.At}
		switch building := l.in(registry.Building); {
		case building == nil:
		case building.Hash != o.Hash && building.Number == o.Replaces:
			if err := m.set(ctx, building, registry.Retired, "replaced while building"); err != nil {
				return err
			}
		default:
			g = *building
			if g.Hash != o.Hash {
				return fmt.Errorf("generation %d of view %q, of another meaning, is being built: %w", g.Number, g.View, registry.ErrLostRace)
			}
			return nil
		}
		if len(l) == 0 {
			return featurestore.NotFoundf("view %q has no generation: it was never applied", o.View)
		}
		if err := m.retire(ctx, l, registry.Broken, 0, "replaced"); err != nil {
			return err
		}
		g, err = s.add(ctx, tx, l, registry.Generation{View: o.View, Hash: o.Hash, State: registry.Building, Reason: o.Reason, Since: o.At, Revision: cmp.Or(o.Meaning, o.Revision)})
		if err != nil {
			return err
		}
		return changed(ctx, tx)
	})
	return g, err
}

// before are the states that a step begins from.
func before(to registry.GenerationState) []registry.GenerationState {
	switch to {
	case registry.Live, registry.Broken:
		return []registry.GenerationState{registry.Building}
	case registry.Retired:
		return []registry.GenerationState{registry.Standby, registry.Broken}
	case registry.Dropped:
		return []registry.GenerationState{registry.Retired}
	}
	return nil
}

// SetState implements registry.Store.
func (s *Store) SetState(ctx context.Context, steps ...registry.Step) error {
	return s.transact(ctx, func(tx *sql.Tx) error {
		moved := false
		for _, step := range steps {
			did, err := stepOne(ctx, tx, step)
			if err != nil {
				return err
			}
			moved = moved || did
		}
		if !moved {
			return nil
		}
		return changed(ctx, tx)
	})
}

// stepOne makes one step; moved is false where the generation is there already.
func stepOne(ctx context.Context, tx *sql.Tx, step registry.Step) (moved bool, err error) {
	l, err := livesOf(ctx, tx, step.View)
	if err != nil {
		return false, err
	}
	if err := unchanged(ctx, tx, step.Changes); err != nil {
		return false, err
	}
	g := l.number(step.Number)
	switch {
	case g == nil:
		return false, featurestore.NotFoundf("view %q has no generation %d", step.View, step.Number)
	case g.State == step.State:
		return false, nil
	case !slices.Contains(before(step.State), g.State):
		return false, fmt.Errorf("generation %d of view %q is %s and cannot become %s: %w", g.Number, g.View, g.State, step.State, registry.ErrLostRace)
	case step.Since != 0 && g.Since != step.Since:
		return false, fmt.Errorf("generation %d of view %q is %s since %s, not since %s: %w", g.Number, g.View, g.State, g.Since, step.Since, registry.ErrLostRace)
	}
	m := moving{tx, step.At}
	if step.State == registry.Live {
		if err := makeRoom(ctx, m, l, step); err != nil {
			return false, err
		}
	}
	return true, m.set(ctx, g, step.State, step.Reason)
}

// unchanged is an error where something has changed since the registry was at that
// number of changes; 0 does not ask.
func unchanged(ctx context.Context, tx *sql.Tx, at int64) error {
	if at == 0 {
		return nil
	}
	var now int64
	if err := tx.QueryRowContext(ctx, "SELECT number FROM changes").Scan(&now); err != nil {
		return err
	}
	if now != at {
		return fmt.Errorf("the registry has changed since this was decided on: %w", registry.ErrLostRace)
	}
	return nil
}

// makeRoom takes the live generation out of that state; one standby is kept.
func makeRoom(ctx context.Context, m moving, l lives, step registry.Step) error {
	live := l.in(registry.Live)
	if live == nil {
		return nil
	}
	reason := fmt.Sprintf("generation %d took over", step.Number)
	if !step.Keep {
		return m.set(ctx, live, registry.Retired, reason)
	}
	if err := m.retire(ctx, l, registry.Standby, 0, "a newer one is kept"); err != nil {
		return err
	}
	return m.set(ctx, live, registry.Standby, reason)
}

// Switch implements registry.Store.
func (s *Store) Switch(ctx context.Context, to []registry.Choice, reason string, at featurestore.Instant) error {
	return s.transact(ctx, func(tx *sql.Tx) error {
		for _, c := range to {
			if err := switchOne(ctx, moving{tx, at}, c, reason); err != nil {
				return err
			}
		}
		return changed(ctx, tx)
	})
}

func switchOne(ctx context.Context, m moving, c registry.Choice, reason string) error {
	l, err := livesOf(ctx, m, c.View)
	if err != nil {
		return err
	}
	g := l.number(c.Number)
	switch {
	case g == nil:
		return featurestore.NotFoundf("view %q has no generation %d", c.View, c.Number)
	case g.State == registry.Live:
		return nil
	case g.State != registry.Standby:
		return fmt.Errorf("generation %d of view %q is %s; only one that is STANDBY can take over: %w", g.Number, g.View, g.State, registry.ErrLostRace)
	}
	if live := l.in(registry.Live); live != nil {
		// At most one is LIVE at any moment: the old one goes first.
		if err := m.set(ctx, live, registry.Standby, reason); err != nil {
			return err
		}
	}
	return m.set(ctx, g, registry.Live, reason)
}
