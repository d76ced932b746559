package cli

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"slices"

	"github.com/freshet/freshet/cmd/internal/node"
	"github.com/freshet/freshet/featurestore/online"
	"github.com/freshet/freshet/featurestore/registry"
)

// Status is what the server, or the process at the operators' address, says of itself.
func (c *API) Status(ctx context.Context) (*node.Status, error) {
	out, err := c.Call(ctx, "GET", "/v1/status", nil)
	if err != nil {
		return nil, err
	}
	var s node.Status
	if err := json.Unmarshal(out, &s); err != nil {
		return nil, fmt.Errorf("the answer does not decode: %w", err)
	}
	return &s, nil
}

// ingesterWithin bounds how long a status waits for the ingester's, which takes no longer
// to say what it knows.
const ingesterWithin = statusWithin

// restWithin bounds how long a status looks at what is at rest, beside a server.
const restWithin = statusWithin / 2

// otherProcess is the process at the operators' address of the settings, which is asked
// beside whoever gives the status: both may have to wait for the same store.
type otherProcess struct {
	cancel context.CancelFunc
	done   chan struct{}
	said   *node.Status
	err    error
}

// otherProcess begins to ask it; nobody where the settings have no such address, or
// another one is asked.
func (a *App) otherProcess(ctx context.Context) *otherProcess {
	o := &otherProcess{cancel: func() {}, done: make(chan struct{})}
	conf, err := a.Settings()
	if err != nil || a.Addr != "" || conf.Admin.Listen == "" {
		close(o.done)
		return o
	}
	ctx, o.cancel = context.WithCancel(ctx)
	go func() {
		defer close(o.done)
		from := &API{client: &http.Client{Timeout: ingesterWithin}, base: "http://" + reachable(conf.Admin.Listen)}
		o.said, o.err = from.Status(ctx)
	}()
	return o
}

// stop gives up, and returns once nothing is asked any more.
func (o *otherProcess) stop() {
	o.cancel()
	<-o.done
}

// askIngester adds what only an ingester knows, where the settings name its
// address. It says where it could not, but where the status is that of the stores:
// then maybe nothing runs at all. Heard reports whether an ingester has said something.
func (a *App) askIngester(api *API, s *node.Status, other *otherProcess) (note string, heard bool) {
	if len(s.Partitions) > 0 || a.Addr != "" {
		return "", true
	}
	conf, err := a.Settings()
	if err != nil || api.Parts != nil && conf.Admin.Listen == "" {
		return "", false // the status says enough without
	}
	if conf.Admin.Listen == "" {
		return "partitions, counts, canary and audit are shown by an ingester: freshet status --addr <its admin.listen>", false
	}
	<-other.done
	said, err := other.said, other.err
	switch {
	case err != nil && api.Parts != nil:
		return "", false
	case err != nil:
		return fmt.Sprintf("none answers at admin.listen, so that partitions, counts, canary and audit are not shown: %v", err), false
	case said.Project != s.Project:
		return fmt.Sprintf("project %q answers at admin.listen %s", said.Project, conf.Admin.Listen), false
	case len(said.Partitions) == 0 && said.Canary == nil:
		return fmt.Sprintf("the process at admin.listen %s reads no partition; ask the others: freshet status --addr <their admin.listen>", conf.Admin.Listen), false
	}
	join(s, said)
	return "", true
}

// lookAtRest looks, where no ingester has said it, whether what was at rest still is, as
// the folder of these settings and the online store have it. A store that is embedded
// is open in the process that has answered. It says why it could not.
func (a *App) lookAtRest(ctx context.Context, api *API, s *node.Status) (note string) {
	if api.Parts != nil {
		api.Parts.NameLost(ctx, s)
		return ""
	}
	conf, err := a.Settings()
	if err != nil || conf.Online.Redis == nil || conf.Project != s.Project || slices.ContainsFunc(s.Views, func(v node.ViewStatus) bool { return !v.Known() }) {
		return "" // it is another's, or does not answer
	}
	ctx, cancel := context.WithTimeout(ctx, restWithin)
	defer cancel()
	if _, err = os.Stat(conf.Registry.SQLite); err == nil { // who looks makes none
		quiet := *a
		quiet.Quiet = true
		parts := node.Closed(conf, node.StoredClock(), quiet.Logger())
		if err = errors.Join(parts.OpenRegistry(ctx), parts.OpenOnline()); err == nil {
			parts.NameLost(ctx, s)
		}
		closing(parts.Close, &err)
	}
	if err != nil {
		note = fmt.Sprintf("whether all events that were at rest still are, is not known here: %v", err)
	}
	return note
}

// join adds what an ingester says to what a server does: its partitions, counts,
// canary and audit, and why a view is as both say, where it knows. That one stands
// still, lanes do not say of every reason.
func join(s, said *node.Status) {
	s.Partitions, s.Audit, s.Canary = said.Partitions, said.Audit, said.Canary
	s.Store, s.Log = cmp.Or(s.Store, said.Store), cmp.Or(s.Log, said.Log)
	for i := range s.Views {
		v := &s.Views[i]
		for _, x := range said.Views {
			if x.View != v.View || x.Generation != v.Generation {
				continue
			}
			if !v.Known() { // whoever runs has seen it
				*v = x
			}
			v.Counts = x.Counts
			if x.Reason != "" && (x.State == v.State || x.StandsStill() && v.Moves() || x.State == online.StateGap.String() && v.IsBuilt()) {
				v.Condition = x.Condition
			}
		}
	}
	for _, x := range said.Views {
		if x.StandsStill() && slices.ContainsFunc(s.Generations, func(g node.GenerationStatus) bool {
			return g.View == x.View && g.Generation == x.Generation && g.State == string(registry.Building)
		}) {
			s.Waits(x)
		}
	}
	for _, x := range said.Archives {
		if i := slices.IndexFunc(s.Archives, func(a node.ArchiveStatus) bool { return a.Source == x.Source }); len(x.Lost)+len(x.Removed) == 0 {
			continue
		} else if i >= 0 {
			s.Archives[i] = x
		} else {
			s.Archives = append(s.Archives, x)
		}
	}
	for i := range s.Generations {
		g := &s.Generations[i]
		for _, x := range said.Generations {
			if x.View != g.View || x.Generation != g.Generation {
				continue
			}
			g.Trouble = cmp.Or(g.Trouble, x.Trouble)
			if g.Fill != nil && x.Fill != nil { // who fills it knows more
				g.Fill = x.Fill
			}
		}
	}
}

// reachable is an address to call: one without a host is this machine's.
func reachable(listen string) string {
	host, port, err := net.SplitHostPort(listen)
	if err == nil && (host == "" || host == "0.0.0.0" || host == "::") {
		return net.JoinHostPort("127.0.0.1", port)
	}
	return listen
}
