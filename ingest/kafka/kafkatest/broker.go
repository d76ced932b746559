package kafkatest

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/ingest/kafka"
)

// readyWithin bounds how long a broker may take to answer: after SIGKILL it
// waits for its own old session first.
const readyWithin = 90 * time.Second

// stopWithin is how long SIGTERM gets before SIGKILL.
const stopWithin = 15 * time.Second

// Config says where a broker lives.
type Config struct {
	Dir   string // its data, settings and log file
	Cache string // of the jars: see Jars

	Secure *Secure // a second listener, with TLS and SASL; nil for none

	// Seasoned gives the broker the settings of its virtual machine that its own start
	// script has: it starts slower, and takes less time for what it does from then on.
	Seasoned bool
}

// quick are settings of the virtual machine for a broker that lives for seconds;
// seasoned those of one that is to be measured.
var (
	quick    = []string{"-Xms256m", "-Xmx512m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"}
	seasoned = []string{"-server", "-Xms1g", "-Xmx1g", "-XX:+UseG1GC", "-XX:MaxGCPauseMillis=20", "-XX:InitiatingHeapOccupancyPercent=35", "-XX:+ExplicitGCInvokesConcurrent"}
)

// Broker is one broker. Its methods are not safe for concurrent use.
type Broker struct {
	cfg  Config
	java string
	libs string
	addr string
	safe string   // of the secure listener
	proc *process // nil while it is down
}

// Start formats the folder, starts a broker on free ports of 127.0.0.1 and
// returns when it has leaders to give.
func Start(ctx context.Context, cfg Config) (*Broker, error) {
	libs, err := Jars(ctx, cfg.Cache)
	if err != nil {
		return nil, err
	}
	path, err := java(ctx)
	if err != nil {
		return nil, err
	}
	b := &Broker{cfg: cfg, java: path, libs: libs}
	if err := b.format(ctx); err != nil {
		return nil, err
	}
	if err := b.Restart(ctx); err != nil {
		return nil, err
	}
	return b, nil
}

// Addr is the host:port to connect to; it stays over Restart.
func (b *Broker) Addr() string { return b.addr }

// Restart starts the broker that Stop or Kill ended, with its data and on the
// same port, and returns when it is ready.
func (b *Broker) Restart(ctx context.Context) error {
	if b.proc != nil {
		return featurestore.Invalidf("kafkatest: the broker runs already")
	}
	logFile, err := os.OpenFile(b.logPath(), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return fmt.Errorf("kafkatest: %w", err)
	}
	defer logFile.Close()
	flags := quick
	if b.cfg.Seasoned {
		flags = seasoned
	}
	cmd := exec.Command(b.java, append(slices.Clone(flags), "-cp", filepath.Join(b.libs, "*"), "kafka.Kafka", b.settingsPath())...)
	cmd.Stdout, cmd.Stderr = logFile, logFile
	if b.proc, err = startProcess(cmd); err != nil {
		return fmt.Errorf("kafkatest: start the broker: %w", err)
	}
	if err := b.waitReady(ctx); err != nil {
		return errors.Join(err, b.Kill())
	}
	return nil
}

// waitReady asks until the broker is registered and all its topics have
// leaders; it gives up early when the process ends.
func (b *Broker) waitReady(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, readyWithin)
	defer cancel()
	var asked error
	ready := make(chan struct{})
	go func() { asked = b.askReady(ctx); close(ready) }()
	select {
	case <-ready:
		return asked
	case <-b.proc.exited:
		cancel()
		<-ready // it was asked in vain
		text, _ := os.ReadFile(b.logPath())
		return featurestore.Unavailablef("kafkatest: the broker ended while starting: %v\n%s", b.proc.err, tail(text, 3000))
	}
}

func (b *Broker) askReady(ctx context.Context) error {
	c, err := kafka.Open(ctx, kafka.Config{
		Brokers: []string{b.addr}, RetryFor: readyWithin, Timeout: 5 * time.Second,
		Clock: func() featurestore.Instant { return 0 }, // no fetch is sent
	})
	if err != nil {
		return err
	}
	defer c.Close()
	return c.Ready(ctx)
}

// Stop ends the broker with SIGTERM, and with SIGKILL where that is not enough.
// It does nothing where the broker is down.
func (b *Broker) Stop() error {
	if b.proc == nil {
		return nil
	}
	p := b.proc
	b.proc = nil
	return p.stop(syscall.SIGTERM, stopWithin)
}

// Kill ends the broker with SIGKILL.
func (b *Broker) Kill() error {
	if b.proc == nil {
		return nil
	}
	p := b.proc
	b.proc = nil
	return p.stop(syscall.SIGKILL, stopWithin)
}

func (b *Broker) settingsPath() string { return filepath.Join(b.cfg.Dir, "server.properties") }
func (b *Broker) logPath() string      { return filepath.Join(b.cfg.Dir, "server.log") }

// format writes the settings and makes the storage.
func (b *Broker) format(ctx context.Context) error {
	if err := os.MkdirAll(b.cfg.Dir, 0o755); err != nil {
		return fmt.Errorf("kafkatest: %w", err)
	}
	ports, err := freePorts(3)
	if err != nil {
		return fmt.Errorf("kafkatest: %w", err)
	}
	b.addr = fmt.Sprintf("127.0.0.1:%d", ports[0])
	text := settings(b.addr, fmt.Sprintf("127.0.0.1:%d", ports[1]), filepath.Join(b.cfg.Dir, "data"))
	args := []string{"-XX:TieredStopAtLevel=1", "-cp", filepath.Join(b.libs, "*"), "kafka.tools.StorageTool", "format", "--ignore-formatted"}
	if s := b.cfg.Secure; s != nil {
		b.safe = fmt.Sprintf("127.0.0.1:%d", ports[2])
		if text, err = s.settings(text, b.cfg.Dir, b.addr, b.safe); err != nil {
			return fmt.Errorf("kafkatest: %w", err)
		}
		args = append(args, s.users()...)
	}
	if err := os.WriteFile(b.settingsPath(), []byte(text), 0o644); err != nil {
		return fmt.Errorf("kafkatest: %w", err)
	}
	var id [16]byte
	if _, err := rand.Read(id[:]); err != nil {
		return fmt.Errorf("kafkatest: %w", err)
	}
	args = append(args, "--cluster-id="+base64.RawURLEncoding.EncodeToString(id[:]), "-c", b.settingsPath())
	cmd := exec.CommandContext(ctx, b.java, args...)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("kafkatest: format the storage: %w\n%s", err, tail(out, 2000))
	}
	return nil
}

// settings writes the settings of one broker that is its own controller. The
// session is short so that it takes itself for gone soon after SIGKILL.
func settings(addr, controller, data string) string {
	return strings.Join([]string{
		"process.roles=broker,controller",
		"node.id=1",
		"controller.quorum.voters=1@" + controller,
		"controller.listener.names=CONTROLLER",
		"listeners=PLAINTEXT://" + addr + ",CONTROLLER://" + controller,
		"advertised.listeners=PLAINTEXT://" + addr,
		"listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,SASL_PLAINTEXT:SASL_PLAINTEXT,SASL_SSL:SASL_SSL,SSL:SSL",
		"inter.broker.listener.name=PLAINTEXT",
		"log.dirs=" + data,
		"auto.create.topics.enable=false",
		"offsets.topic.replication.factor=1",
		"offsets.topic.num.partitions=4",
		"transaction.state.log.replication.factor=1",
		"transaction.state.log.min.isr=1",
		"transaction.state.log.num.partitions=4",
		"share.coordinator.state.topic.replication.factor=1",
		"share.coordinator.state.topic.min.isr=1",
		"log.cleaner.backoff.ms=200",
		"group.initial.rebalance.delay.ms=0",
		"broker.session.timeout.ms=2000",
		"broker.heartbeat.interval.ms=500",
		"",
	}, "\n")
}

// freePorts finds ports that nobody listens on. All are held until the last is
// found, so that they differ.
func freePorts(n int) ([]int, error) {
	var ports []int
	for range n {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return nil, err
		}
		defer l.Close()
		ports = append(ports, l.Addr().(*net.TCPAddr).Port)
	}
	return ports, nil
}

// PID is the broker's process while it runs, and 0 while it is down.
func (b *Broker) PID() int {
	if b.proc == nil {
		return 0
	}
	return b.proc.cmd.Process.Pid
}
