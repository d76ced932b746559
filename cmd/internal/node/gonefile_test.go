package node_test

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/freshet/freshet/cmd/internal/node"
	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/featurestore/definition"
	"github.com/freshet/freshet/ingest/logrecord"
)

// TestAnArchivedFileThatIsGone: a partition of whose archive a listed file is gone stands
// still. The ingester's status says HALTED, that of a server, which knows no ingester,
// why nothing moves: both name the file and what to do.
func TestAnArchivedFileThatIsGone(t *testing.T) {
	n, _ := openNode(t, []definition.File{{Path: "d.yaml", Data: []byte(salesDefinitions)}}, "project: shop\n")
	clock := n.Parts.Clock
	clock.Run()
	sale := logrecord.Record{LogTime: begin * 1000, Key: []byte("ann"), Value: fmt.Appendf(nil, `{"at":%d,"amount":1}`, begin)}
	waitFor(t, n, "sales", 0, produce(t, n, "sales", 0, sale, sale))
	if err := n.Stop(); err != nil {
		t.Fatal(err)
	}
	file := ""
	dir := n.Parts.Settings.Offline.Dir
	if err := filepath.WalkDir(dir, func(path string, _ fs.DirEntry, err error) error {
		if strings.HasSuffix(path, ".parquet") {
			file = path
		}
		return err
	}); err != nil || file == "" {
		t.Fatalf("no file is at rest in %s: %v", dir, err)
	}
	if err := os.Rename(file, file+".away"); err != nil {
		t.Fatal(err)
	}
	start := func(role node.Role) *node.Node {
		t.Helper()
		n, err := node.Start(t.Context(), n.Parts, node.Options{Role: role, Listen: "127.0.0.1:0", Version: "test"})
		if err != nil {
			t.Fatal(err)
		}
		closeAtEnd(t, n.Stop)
		return n
	}
	report := func(n *node.Node) node.Status {
		t.Helper()
		if err := n.Backend.Watcher.Refresh(t.Context()); err != nil {
			t.Fatal(err)
		}
		return n.Backend.Report()
	}
	says := func(what, text, next string) {
		t.Helper()
		if !strings.Contains(text, filepath.Base(file)) || !strings.Contains(text, "restore it") || !strings.Contains(next, "ingester") {
			t.Errorf("%s: %q, next %q", what, text, next)
		}
	}
	server, ingester := start(node.Serve), start(node.Ingest)
	eventually(t, "the ingester's status", func() bool { return report(ingester).Views[0].State == "HALTED" })
	v := report(ingester).Views[0]
	says("the ingester", v.Reason, v.Next)

	clock.Move(clock.Now() + featurestore.Instant((2 * time.Minute).Microseconds()))
	s := report(server)
	if v := s.Views[0]; v.State != "CATCHING_UP" || !v.Answers || !strings.Contains(v.Reason, "partition 0 of sales") {
		t.Errorf("the server: %+v", v)
	}
	says("the server", s.Views[0].Reason, s.Views[0].Next)
	says("at rest", s.Archives[0].Trouble, "ingester")

	if err := os.Rename(file+".away", file); err != nil {
		t.Fatal(err)
	}
	if err := ingester.Stop(); err != nil {
		t.Fatal(err)
	}
	start(node.Ingest)
	eventually(t, "RUNNING once the file is back", func() bool { return report(server).Views[0].State == "RUNNING" })
	if s := report(server); s.Archives[0].Trouble != "" {
		t.Errorf("%+v", s.Archives[0])
	}
}
