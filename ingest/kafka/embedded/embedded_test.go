package embedded_test

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/ingest/kafka"
	"github.com/freshet/freshet/ingest/kafka/embedded"
	"github.com/freshet/freshet/ingest/logrecord"
)

// childEnv names the folder for which this test binary is started again, as a
// process that can be killed.
const childEnv = "FRESHET_TEST_EMBEDDED_DIR"

func TestMain(m *testing.M) {
	dir := os.Getenv(childEnv)
	if dir == "" {
		os.Exit(m.Run())
	}
	b, err := embedded.Start(dir, embedded.Options{})
	if err != nil {
		fmt.Println("error:", err)
		os.Exit(1)
	}
	fmt.Println(b.Addr())
	_, _ = io.Copy(io.Discard, os.Stdin) // until the parent is gone
}

// child runs a broker in a process of its own.
type child struct {
	cmd   *exec.Cmd
	stdin io.Closer
	said  string
}

func startChild(t *testing.T, dir string) *child {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), childEnv+"="+dir)
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	c := &child{cmd: cmd, stdin: stdin}
	t.Cleanup(c.kill)
	line, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	c.said = strings.TrimSpace(line)
	return c
}

// kill is SIGKILL; it may be called again.
func (c *child) kill() {
	_ = c.cmd.Process.Kill() // gone already, the second time
	_ = c.cmd.Wait()         // says that it was killed
	c.stdin.Close()
}

func connect(t *testing.T, addr string) *kafka.Client {
	t.Helper()
	c, err := kafka.Open(t.Context(), kafka.Config{Brokers: []string{addr}, Clock: func() featurestore.Instant { return 0 }})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// TestKill: what was acknowledged is there after SIGKILL, time after time.
func TestKill(t *testing.T) {
	dir := t.TempDir()
	const rounds, each = 5, 300
	for round := range rounds {
		c := startChild(t, dir)
		log := connect(t, c.said)
		if err := log.CreateTopic(t.Context(), logrecord.TopicSpec{Name: "t", Partitions: 1, Retention: logrecord.Forever}); err != nil {
			t.Fatal(err)
		}
		var records []logrecord.Record
		for i := range each {
			records = append(records, logrecord.Record{Value: fmt.Appendf(nil, "%d", round*each+i)})
		}
		base, err := log.Produce(t.Context(), "t", 0, records)
		if err != nil || base != int64(round*each) {
			t.Fatalf("round %d: base offset %d, %v", round, base, err)
		}
		c.kill()
	}
	b, err := embedded.Start(dir, embedded.Options{SyncWrites: true})
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	log := connect(t, b.Addr())
	r, err := log.Open(t.Context(), "t", 0, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	for n := 0; n < rounds*each; {
		batch, err := r.Next(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, rec := range batch.Records {
			if string(rec.Value) != fmt.Sprint(n) || rec.Offset != int64(n) {
				t.Fatalf("record %d is %d %q", n, rec.Offset, rec.Value)
			}
			n++
		}
	}
}

// TestOneProcess: a second process is told who has the folder.
func TestOneProcess(t *testing.T) {
	dir := t.TempDir()
	if _, err := embedded.Running(dir); !errors.Is(err, featurestore.ErrNotFound) {
		t.Errorf("an empty folder: %v", err)
	}
	b, err := embedded.Start(dir, embedded.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	if addr, err := embedded.Running(dir); err != nil || addr != b.Addr() {
		t.Errorf("running at %q, %v", addr, err)
	}
	other := startChild(t, dir)
	if !strings.Contains(other.said, fmt.Sprintf("in use by process %d (listening on %s)", os.Getpid(), b.Addr())) {
		t.Errorf("a second process says %q", other.said)
	}
	if _, err := embedded.Start(dir, embedded.Options{}); !errors.Is(err, featurestore.ErrUnavailable) {
		t.Errorf("a second broker in this process: %v", err)
	}
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	if err := b.Close(); err != nil {
		t.Errorf("closed again: %v", err)
	}
	if _, err := embedded.Running(dir); !errors.Is(err, featurestore.ErrNotFound) {
		t.Errorf("after Close: %v", err)
	}
}
