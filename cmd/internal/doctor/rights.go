package doctor

import (
	"context"
	"fmt"
	"strings"

	"github.com/freshet/freshet/featurestore/online/redis"
)

// Role is what the process with these settings does, where a person says so.
type Role string

// Roles.
const (
	Any    Role = ""       // both, or not said
	Ingest Role = "ingest" // it writes the store
	Serve  Role = "serve"  // it only reads it
)

const aclNext = "deploy/redis-users.acl has the lines of both roles"

// checkRights asks Redis what the user of these settings may do there.
func checkRights(ctx context.Context, e *exam) finding {
	f, no := e.needs(false, true)
	if no {
		return f
	}
	r, ok := e.parts.Online.(*redis.Store)
	if !ok {
		return skip("an embedded store has no users")
	}
	rights, err := r.Rights(ctx, e.settings.Project)
	if err != nil {
		f.add(Failed, text(err), "whether an ingester could write is not known", "look at the servers").Of = "store"
		return f
	}
	user := e.settings.Online.Redis.Username
	if user == "" {
		user = "default"
	}
	f.add(judgeRights(rights, user, e.Role)).Of = "store"
	return f
}

func judgeRights(r *redis.Rights, user string, role Role) (State, string, string, string) {
	seen := fmt.Sprintf("the user %s ", user)
	switch {
	case r.Reads() && role == Ingest:
		return Failed, seen + "may read and not write", "each batch is refused, and the stream waits", "use the ingester's user; " + aclNext
	case r.Reads():
		return OK, seen + "may read and not write: a server's", "", ""
	case role == Serve:
		may := strings.Join(r.Writes, ", ")
		if r.Scripts {
			may = strings.TrimPrefix(may+", scripts", ", ")
		}
		return Warning, seen + "may write (" + may + ")", "a server reads only: who takes it over could change every value", "use the reader's user; " + aclNext
	}
	if what, next := r.Lacking(user); what != "" {
		return Failed, seen + what, "an ingester does not start with it; where one runs, batches are refused, and the stream waits or views are LOST", next + "; " + aclNext
	}
	return OK, seen + "may read and write: an ingester's", "", ""
}
