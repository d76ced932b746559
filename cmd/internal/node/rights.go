package node

import (
	"context"
	"strings"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/featurestore/online/redis"
)

// mayWrite refuses a user of the online store that lacks a right which an ingester
// needs: batches would be refused one by one, and views lost. Rights that cannot be
// asked for do not keep it from starting.
func (p *Parts) mayWrite(ctx context.Context) error {
	store, ok := p.Online.(*redis.Store)
	if !ok {
		return nil
	}
	var rights *redis.Rights
	err := p.awaitStore(ctx, func(ctx context.Context) (err error) {
		rights, err = store.Rights(ctx, p.Settings.Project)
		return err
	})
	switch {
	case ctx.Err() != nil:
		return err
	case err != nil:
		p.Logger.Warn("what the user may do in the online store is not known", "error", err)
		return nil
	}
	user := p.Settings.Online.Redis.Username
	if user == "" {
		user = "default"
	}
	if what, next := rights.Lacking(user); what != "" {
		return featurestore.Invalidf("the online store: redis %s: the user %s %s (next: %s; deploy/redis-users.acl has the lines of both roles)", strings.Join(p.Settings.Online.Redis.Addrs, ","), user, what, next)
	}
	return nil
}
