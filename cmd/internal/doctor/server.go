package doctor

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"slices"
	"strings"

	"github.com/freshet/freshet/cmd/internal/node"
)

// report is what a running process says of itself.
type report struct {
	addr   string
	status node.Status
}

// maxStatus bounds the answer of a process.
const maxStatus = 32 << 20

// checkServer asks the processes that the settings name: the server, and the
// operators' address, which an ingester has too.
func checkServer(ctx context.Context, e *exam) finding {
	f, no := e.needs(false, false)
	if no {
		return f
	}
	addr := e.Addr
	if addr == "" {
		addr = e.settings.Serve.Listen
	}
	var found []report
	if r, err := ask(ctx, addr, "/v1/status"); err != nil {
		state := Warning
		if e.Addr != "" {
			state = Failed // a person says that there is one
		}
		f.add(state, "no server answers: "+text(err), "lookups are not answered here", "freshet serve; or --addr where one runs elsewhere").Of = addr
	} else {
		found = append(found, *r)
		f.add(OK, fmt.Sprintf("it serves revision %d", r.status.Revision)).Of = addr
	}
	if admin := e.settings.Admin.Listen; admin != "" {
		if r, err := ask(ctx, admin, "/status"); err != nil {
			f.add(Warning, "nobody answers at admin.listen: "+text(err), "an ingester without an API shows its state there only", "freshetd ingest; or run doctor on its machine").Of = admin
		} else {
			found = append(found, *r)
			f.add(ready(ctx, admin)).Of = admin
		}
	}
	f.keep = func(e *exam) { e.reports = found }
	return f
}

// ready says whether a process can do its work, as it says itself.
func ready(ctx context.Context, addr string) (State, string, string, string) {
	code, body, err := get(ctx, "http://"+addr+"/readyz")
	switch {
	case err != nil:
		return Warning, text(err), "", ""
	case code != http.StatusOK:
		return Failed, strings.Join(strings.Fields(string(body)), " "), "something keeps this process from its work", "freshet status"
	}
	return OK, "it is ready", "", ""
}

func ask(ctx context.Context, addr, path string) (*report, error) {
	if _, _, err := net.SplitHostPort(addr); err != nil {
		return nil, err
	}
	code, body, err := get(ctx, "http://"+addr+path)
	if err != nil {
		return nil, err
	}
	r := &report{addr: addr}
	if code != http.StatusOK || json.Unmarshal(body, &r.status) != nil || r.status.Project == "" {
		return nil, fmt.Errorf("what listens there answers %d, and no status", code)
	}
	return r, nil
}

func get(ctx context.Context, url string) (int, []byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return 0, nil, err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, nil, err
	}
	defer func() { _ = resp.Body.Close() }() // it was read, or the error says why not
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxStatus))
	return resp.StatusCode, body, err
}

// counted writes counts, ascending by name.
func counted(n map[string]int) string {
	var out []string
	for _, name := range slices.Sorted(maps.Keys(n)) {
		out = append(out, fmt.Sprintf("%s %d", name, n[name]))
	}
	return strings.Join(out, ", ")
}

// ingester is the report of the process that ingests here; nil for none. Where a
// server does so too, it is the one behind the operators' address as well.
func (e *exam) ingester() *report {
	for i := range e.reports {
		if s := &e.reports[i].status; s.Canary != nil || s.Audit != nil || len(s.Partitions) > 0 {
			return &e.reports[i]
		}
	}
	return nil
}

// checkAudit is what the ingester's audits have found.
func checkAudit(_ context.Context, e *exam) finding {
	f, no := e.needs(false, false)
	if no {
		return f
	}
	if e.settings.Ingest.Audit.Every == 0 {
		f.add(Warning, "the audit is off", "an entity that was damaged or deleted in the store is noticed by its next record only", "ingest.audit: {every: 1h}")
		return f
	}
	r := e.ingester()
	if r == nil || r.status.Audit == nil {
		return skip("no ingester that answers here has audited yet")
	}
	a := r.status.Audit
	seen := fmt.Sprintf("%d audits, %d entities compared, %d findings, %d made anew", a.Runs, a.Compared, a.Findings, a.Repaired)
	switch {
	case a.Findings > 0 && a.Findings == a.Repaired:
		f.add(Warning, seen, "stored values differed from what their records say; they were made anew", "look for the audit in the ingester's log; freshet verify").Of = r.addr
	case a.Findings > 0:
		f.add(Failed, seen, "stored values differed from what their records say", "look for the audit in the ingester's log; freshet verify, and freshet backfill VIEW for what differs").Of = r.addr
	case a.Trouble != "":
		f.add(Warning, seen+"; "+a.Trouble, "a view that cannot be audited is not checked", "freshet status").Of = r.addr
	default:
		f.add(OK, seen).Of = r.addr
	}
	return f
}

// checkCanary is what the canary has seen.
func checkCanary(_ context.Context, e *exam) finding {
	f, no := e.needs(false, false)
	if no {
		return f
	}
	if e.settings.Log.Kafka == nil {
		return skip("there is none on an embedded log")
	}
	if e.settings.Ingest.Canary.Every == 0 {
		f.add(Warning, "the canary is off", "lost and doubled records, and the delay until one is served, are seen in users' data only", "ingest.canary: {every: 10s}")
		return f
	}
	r := e.ingester()
	if r == nil || r.status.Canary == nil {
		return skip("no ingester answers here: admin.listen is where one shows it")
	}
	state, seen, why, next := judgeCanary(r.status.Canary)
	f.add(state, seen, why, next).Of = r.addr
	return f
}
