package settings_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/freshet/freshet/cmd/internal/settings"
)

func env(m map[string]string) func(string) string { return func(k string) string { return m[k] } }

func TestOrderIsEnvironmentThenProfileThenFileThenDefault(t *testing.T) {
	file := []byte("project: flights\nserve: {listen: \"127.0.0.1:1\"}\nonline: {lanes: 32}\nprofiles: {prod: {online: {redis: {addrs: [\"r:1\"]}}, serve: {listen: \"127.0.0.1:2\"}}}\n")
	s, err := settings.Parse(file, settings.Source{})
	if err != nil || s.Serve.Listen != "127.0.0.1:1" || s.Online.Embedded != ".freshet/online" {
		t.Fatalf("file: %+v, %v", s, err)
	}
	s, err = settings.Parse(file, settings.Source{Profile: "prod"})
	if err != nil || s.Serve.Listen != "127.0.0.1:2" || s.Online.Embedded != "" || s.Online.Redis.Addrs[0] != "r:1" || s.Online.Lanes != 32 {
		t.Fatalf("profile: %+v, %v", s, err)
	}
	s, err = settings.Parse(file, settings.Source{Profile: "prod", Getenv: env(map[string]string{"FRESHET_SERVE_LISTEN": "127.0.0.1:3", "FRESHET_ONLINE_REDIS_ADDRS": "e:1"})})
	if err != nil || s.Serve.Listen != "127.0.0.1:3" || s.Online.Redis.Addrs[0] != "e:1" {
		t.Fatalf("environment: %+v, %v", s, err)
	}
}

func TestWrongSettings(t *testing.T) {
	for text, want := range map[string]string{
		"project: flights\nonlin: {}\n": "onlin",
		"project: Flights\n":            "Flights",
		"{}":                            "project",
		"project: f\nlog: {kafka: {brokers: []}}\n":                                   "at least one broker",
		"project: f\nlog: {kafka: {brokers: [a]}}\n":                                  "host:port",
		"project: f\nlog: {kafka: {brokers: [a:1], sasl: {mechanism: GSSAPI}}}\n":     "GSSAPI",
		"project: f\nlog: {kafka: {brokers: [a:1], sasl: {mechanism: PLAIN}}}\n":      "go together",
		"project: f\nlog: {kafka: {brokers: [a:1], tls: {key: x}}}\n":                 "go together",
		"project: f\nlog: {schema_registry: {url: \"https://r\", tls: {cert: x}}}\n":  "log.schema_registry.tls: cert and key go together",
		"project: f\ntraces: {otlp: \"x:4317\", tls: {key: x}}\n":                     "traces.tls: cert and key go together",
		"project: f\nadmin: {listen: 9464}\n":                                         "admin.listen",
		"project: f\ntraces: {otlp: \"http://x:4317/v1\"}\n":                          "traces.otlp",
		"project: f\ntraces: {otlp: \"x:4317\", sample: 2}\n":                         "no share",
		"project: f\nonline: {redis: {addrs: [a:1, b:1]}}\n":                          "one address",
		"project: f\nonline: {redis: {addrs: [a]}}\n":                                 "host:port",
		"project: f\nonline: {redis: {mode: sentinel, addrs: [a:1]}}\n":               "sentinel.master",
		"project: f\nonline: {redis: {addrs: [a:1], sentinel: {master: m}}}\n":        "sentinel.master",
		"project: f\nonline: {redis: {mode: twin, addrs: [a:1]}}\n":                   "twin",
		"project: f\nonline: {redis: {mode: cluster, addrs: []}}\n":                   "at least one address",
		"project: f\nonline: {redis: {addrs: [a:1], tls: {cert: x}}}\n":               "go together",
		"project: f\nonline: {redis: {addrs: [a:1], password: \"${env:NOT_SET}\"}}\n": "NOT_SET",
		"project: f\ningest: {keep_previous: 1 day}\n":                                "30d",
		"project: f\ningest: {audit: {every: -1s}}\n":                                 "not a duration",
		"project: f\ningest: {canary: {every: 10ms}}\n":                               "a second or more",
		"project: f\ningest: {canary: {partitions: 65}}\n":                            "1 to 64",
		"project: f\ningest: {canary: {topic: \"a b\"}}\n":                            "ingest.canary.topic",
		"project: f\nserve: {listen: here}\n":                                         "listen",
		"project: f\nonline: {embedded: \"${env:NOT_SET}\"}\n":                        "NOT_SET",
		"project: f\nonline: {embedded: \"${file:/not/there}\"}\n":                    "/not/there",
		"project: f\nconnections: {w: {postgres: x}}\n":                               "connections",
		"project: f\nonline: {redis: {addrs: [a:1], durability: x}}\n":                "durability",
		"project: f\nonline: {lanes: 0}\n":                                            "online.lanes: 0 is not one of 1 to 1024",
		"project: f\nonline: {lanes: 1025}\n":                                         "online.lanes",
		"project: f\nonline: {lanes: 70000}\n":                                        "70000",
	} {
		if _, err := settings.Parse([]byte(text), settings.Source{}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: error %v does not name %q", text, err, want)
		}
	}
}

func TestSecretsDoNotPrint(t *testing.T) {
	file := []byte("project: f\nonline: {redis: {addrs: [a:1], password: \"${env:PW}\"}}\n")
	s, err := settings.Parse(file, settings.Source{Getenv: env(map[string]string{"PW": "hunter2"})})
	if err != nil || string(s.Online.Redis.Password) != "hunter2" {
		t.Fatalf("%+v, %v", s, err)
	}
	asJSON, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	for _, printed := range []string{fmt.Sprintf("%v %+v %#v %s", *s.Online.Redis, *s.Online.Redis, s.Online.Redis.Password, s.Online.Redis.Password), string(asJSON)} {
		if strings.Contains(printed, "hunter2") {
			t.Errorf("the secret prints: %s", printed)
		}
	}
}

func TestRedis(t *testing.T) {
	file := []byte("project: f\nonline: {redis: {mode: sentinel, addrs: [a:1, b:1], sentinel: {master: m, password: \"${env:PW}\"}, tls: {ca: ca.pem}}}\n")
	getenv := env(map[string]string{"PW": "hunter2", "FRESHET_ONLINE_REDIS_USERNAME": "reader"})
	s, err := settings.Parse(file, settings.Source{Getenv: getenv})
	if err != nil {
		t.Fatal(err)
	}
	r := s.Online.Redis
	if r.Sentinel.Master != "m" || string(r.Sentinel.Password) != "hunter2" || r.Username != "reader" || len(r.Addrs) != 2 || s.Online.Embedded != "" {
		t.Errorf("%+v %+v", r, r.Sentinel)
	}
	if printed := fmt.Sprintf("%+v %+v", *r, *r.Sentinel); strings.Contains(printed, "hunter2") {
		t.Errorf("the secret prints: %s", printed)
	}
	if _, err := r.TLS.Config("online.redis.tls"); err == nil || !strings.Contains(err.Error(), "ca.pem") {
		t.Errorf("a missing authority: %v", err)
	}
	if c, err := (*settings.TLS)(nil).Config("x"); c != nil || err != nil {
		t.Errorf("no TLS: %v %v", c, err)
	}
	if c, err := (&settings.TLS{Name: "redis"}).Config("x"); err != nil || c.ServerName != "redis" {
		t.Errorf("TLS by the system's authorities: %v %v", c, err)
	}
}

func TestKafka(t *testing.T) {
	file := []byte("project: f\nlog: {kafka: {brokers: [a:1], tls: {ca: ca.pem}, sasl: {mechanism: SCRAM-SHA-512, username: u, password: \"${env:PW}\"}}}\n")
	s, err := settings.Parse(file, settings.Source{Getenv: env(map[string]string{"PW": "hunter2", "FRESHET_LOG_KAFKA_BROKERS": "b:1,c:1", "FRESHET_LOG_KAFKA_SASL_USERNAME": "v"})})
	if err != nil {
		t.Fatal(err)
	}
	k := s.Log.Kafka
	if len(k.Brokers) != 2 || k.SASL.Username != "v" || string(k.SASL.Password) != "hunter2" || s.Log.Embedded != "" {
		t.Errorf("%+v %+v", k, k.SASL)
	}
	if printed := fmt.Sprintf("%+v", *k.SASL); strings.Contains(printed, "hunter2") {
		t.Errorf("the secret prints: %s", printed)
	}
	if _, err := k.TLS.Config("log.kafka.tls"); err == nil || !strings.Contains(err.Error(), "log.kafka.tls.ca") {
		t.Errorf("a missing authority: %v", err)
	}
}

func TestFindLooksUpwards(t *testing.T) {
	root := t.TempDir()
	deep := filepath.Join(root, "a", "b")
	if err := os.MkdirAll(deep, 0o755); err != nil {
		t.Fatal(err)
	}
	if _, err := settings.Find(deep); err == nil {
		t.Fatal("found settings where there are none")
	}
	if err := os.WriteFile(filepath.Join(root, settings.FileName), []byte("project: f\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	found, err := settings.Find(deep)
	if err != nil || found != root {
		t.Fatalf("found %q, %v", found, err)
	}
	s, err := settings.Load(found, settings.Source{})
	if err != nil || s.Offline.Dir != filepath.Join(root, ".freshet/offline") {
		t.Fatalf("%+v, %v", s, err)
	}
}

func TestDurations(t *testing.T) {
	s, err := settings.Parse([]byte("project: f\n"), settings.Source{})
	if err != nil || s.Ingest.KeepPrevious.Std() != 24*time.Hour || s.Ingest.Audit.Every.Std() != time.Hour || s.Ingest.Canary.Every.Std() != 10*time.Second || s.Ingest.Canary.Partitions != 4 {
		t.Fatalf("defaults: %+v, %v", s.Ingest, err)
	}
	s, err = settings.Parse([]byte("project: f\ningest: {keep_previous: 2d, audit: {every: 0s}, canary: {every: 0s, topic: c}}\n"), settings.Source{})
	if err != nil || s.Ingest.KeepPrevious.Std() != 48*time.Hour || s.Ingest.Audit.Every.Std() != 0 || s.Ingest.Canary.Every.Std() != 0 || s.Ingest.Canary.Topic != "c" || s.Ingest.Canary.Partitions != 4 {
		t.Fatalf("%+v, %v", s.Ingest, err)
	}
}
