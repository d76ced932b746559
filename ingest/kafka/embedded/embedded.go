// Package embedded runs a log inside the process: franz-go's kfake broker with
// a data folder, listening on a free port of 127.0.0.1. It is spoken to over
// its wire by ingest/kafka, exactly as a real broker is. What was acknowledged
// survives the end of the process, also SIGKILL; it survives the loss of power
// only with Options.SyncWrites. It never compacts, and has no LogAppendTime:
// its log times are the producer's.
package embedded

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"github.com/twmb/franz-go/pkg/kfake"

	"github.com/freshet/freshet/featurestore"
)

// maxMessageBytes is the largest batch that the broker takes: above the 10 MB
// that a caller may reasonably try, so that it is our limits that decide.
const maxMessageBytes = 16 << 20

// Options change how a broker runs.
type Options struct {
	SyncWrites bool // fsync each acknowledged batch: slower, and safe against loss of power
}

// Broker is a running broker. It is safe for concurrent use.
type Broker struct {
	cluster *kfake.Cluster
	addr    string
	lock    *os.File
}

// Start opens the folder, making it if need be, and returns when the broker
// answers. One process at a time may have a folder: for any other it is
// ErrUnavailable.
func Start(dir string, o Options) (*Broker, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("embedded log: %w", err)
	}
	lock, err := acquire(dir)
	if err != nil {
		return nil, err
	}
	opts := []kfake.Opt{
		kfake.NumBrokers(1),
		kfake.ClusterID("freshet-embedded"),
		kfake.DataDir(filepath.Join(dir, "data")),
		kfake.BrokerConfigs(map[string]string{"message.max.bytes": strconv.Itoa(maxMessageBytes)}),
	}
	if o.SyncWrites {
		opts = append(opts, kfake.SyncWrites())
	}
	cluster, err := kfake.NewCluster(opts...)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("embedded log: open folder %q: %w", dir, err), lock.Close())
	}
	b := &Broker{cluster: cluster, addr: cluster.ListenAddrs()[0], lock: lock}
	if err := b.announce(); err != nil {
		return nil, errors.Join(fmt.Errorf("embedded log: %w", err), b.Close())
	}
	return b, nil
}

// Addr is the host:port that the broker listens on.
func (b *Broker) Addr() string { return b.addr }

// Close stops the broker, writes what is open and gives the folder free. It is
// idempotent.
func (b *Broker) Close() error {
	b.cluster.Close()
	if err := b.lock.Close(); err != nil && !errors.Is(err, fs.ErrClosed) {
		return err
	}
	return nil
}

// The lock file is held with flock for as long as the process lives, however it
// ends; its text, for people and other processes, is the holder's process id
// and address.
const lockName = "LOCK"

func acquire(dir string) (*os.File, error) {
	path := filepath.Join(dir, lockName)
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("embedded log: %w", err)
	}
	err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if err == nil {
		return f, nil
	}
	_ = f.Close() // nothing was written
	if !errors.Is(err, syscall.EWOULDBLOCK) {
		return nil, fmt.Errorf("embedded log: lock %q: %w", path, err)
	}
	pid, addr := holder(dir)
	return nil, featurestore.Unavailablef("embedded log: folder %q is in use by process %s (listening on %s): stop it, or use another folder", dir, pid, addr)
}

func (b *Broker) announce() error {
	if err := b.lock.Truncate(0); err != nil {
		return err
	}
	_, err := b.lock.WriteAt(fmt.Appendf(nil, "%d %s\n", os.Getpid(), b.addr), 0)
	return err
}

func holder(dir string) (pid, addr string) {
	text, _ := os.ReadFile(filepath.Join(dir, lockName))
	pid, addr, ok := strings.Cut(strings.TrimSpace(string(text)), " ")
	if !ok {
		return "unknown", "an unknown address"
	}
	return pid, addr
}

// Running gives the address of the broker that another process, or this one,
// runs on the folder; ErrNotFound where none does.
func Running(dir string) (addr string, err error) {
	f, err := os.Open(filepath.Join(dir, lockName))
	if errors.Is(err, fs.ErrNotExist) {
		return "", featurestore.NotFoundf("embedded log: none in folder %q", dir)
	}
	if err != nil {
		return "", fmt.Errorf("embedded log: %w", err)
	}
	defer f.Close()
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_SH|syscall.LOCK_NB); err == nil {
		return "", featurestore.NotFoundf("embedded log: no process runs on folder %q", dir)
	}
	_, addr = holder(dir)
	return addr, nil
}
