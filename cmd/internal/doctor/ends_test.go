package doctor_test

import (
	"encoding/pem"
	"fmt"
	"log/slog"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/sr"
	"github.com/twmb/franz-go/pkg/sr/srfake"

	"github.com/freshet/freshet/cmd/internal/doctor"
	"github.com/freshet/freshet/cmd/internal/node"
	"github.com/freshet/freshet/cmd/internal/settings"
	"github.com/freshet/freshet/featurestore/online/redis/redistest"
	"github.com/freshet/freshet/ingest/kafka/kafkatest"
	"github.com/freshet/freshet/ingest/logrecord"
)

// applied writes a project and applies it; its parts are closed again.
func applied(t *testing.T, settingsText, text string, need node.Need) (root string) {
	t.Helper()
	root = project(t, settingsText, text)
	s, err := settings.Load(root, settings.Source{})
	ok(t, err)
	parts, err := node.Open(t.Context(), s, node.WallClock(), slog.New(slog.DiscardHandler), need)
	ok(t, err)
	apply(t, parts)
	ok(t, parts.Close())
	return root
}

// subjectsOf are definitions with a source for each subject, all with the same fields.
func subjectsOf(names ...string) string {
	out := "kind: Entity\nname: user\nkeys: [{name: user, type: string}]\n"
	for _, name := range names {
		format := "avro"
		if name == "later" || name == "never" {
			format = "protobuf"
		}
		out += strings.NewReplacer("NAME", name, "FORMAT", format).Replace(`---
kind: StreamSource
name: NAME
kafka: {topic: NAME}
format: FORMAT
schema: {subject: NAME-value}
timestamp: {field: at, format: unix_ms}
fields: {user: string, amount: double}
---
kind: StreamView
name: v_NAME
entity: user
source: NAME
features: [{name: total, agg: sum(amount), window: 1h}]
`)
	}
	return out
}

// TestSchemas examines sources whose schemas a registry has, over its real API: one
// that fits, and each way in which it may not.
func TestSchemas(t *testing.T) {
	registry := srfake.New()
	t.Cleanup(registry.Close)
	schema := func(subject, fields string) {
		t.Helper()
		_, _, err := registry.RegisterSchema(subject, sr.Schema{Schema: `{"type":"record","name":"Order","fields":[{"name":"at","type":"long"}` + fields + `]}`})
		ok(t, err)
	}
	schema("fits-value", `,{"name":"user","type":"string"},{"name":"amount","type":["null","double"]}`)
	schema("wrong-value", `,{"name":"user","type":"string"},{"name":"amount","type":"string"}`)
	schema("lacking-value", `,{"name":"user","type":"string"}`)
	for subject, message := range map[string]string{"later": "Order { string user = 1; double amount = 2; int64 at = 3; }", "never": "Order { string user = 1; string amount = 2; int64 at = 3; }"} {
		_, _, err := registry.RegisterSchema(subject+"-value", sr.Schema{Type: sr.TypeProtobuf, Schema: `syntax = "proto3"; package shop; message Other { string name = 1; } message ` + message})
		ok(t, err)
	}
	_, _, err := registry.RegisterSchema("proto-value", sr.Schema{Type: sr.TypeProtobuf, Schema: `syntax = "proto3"; message Order { string user = 1; double amount = 2; int64 at = 3; }`})
	ok(t, err)
	text := fmt.Sprintf("project: shop\nlog: {schema_registry: {url: %q}}\nserve: {listen: %q}\n", registry.URL(), freeAddr(t))
	root := applied(t, text, subjectsOf("fits", "wrong", "lacking", "absent", "proto", "later", "never"), 0)
	r := examine(t, root, nil)
	want(t, r, "schemas", doctor.OK, registry.URL(), "it answers")
	want(t, r, "schemas", doctor.OK, "fits", `subject "fits-value", version 1: the 2 declared fields are in it`)
	want(t, r, "schemas", doctor.Failed, "wrong", `subject "wrong-value", version 1: amount: `, "freshet apply")
	want(t, r, "schemas", doctor.Warning, "lacking", "amount: ", `no field "amount"`)
	want(t, r, "schemas", doctor.Warning, "absent", `there is no subject "absent-value"`)
	want(t, r, "schemas", doctor.Failed, "proto", "it is not an Avro schema")
	want(t, r, "schemas", doctor.OK, "later", `subject "later-value", version 1, message shop.Order: the 2 declared fields are in it`)
	want(t, r, "schemas", doctor.Failed, "never", "message shop.Order: amount: ")

	behind, err := url.Parse(registry.URL())
	ok(t, err)
	safe := httptest.NewTLSServer(httputil.NewSingleHostReverseProxy(behind))
	t.Cleanup(safe.Close)
	ok(t, os.WriteFile(filepath.Join(root, "ca.pem"), pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: safe.Certificate().Raw}), 0o600))
	ok(t, os.WriteFile(filepath.Join(root, "freshet.yaml"), fmt.Appendf(nil, "project: shop\nlog: {schema_registry: {url: %q, tls: {ca: ca.pem}}}\n", safe.URL), 0o600))
	want(t, examine(t, root, nil), "schemas", doctor.OK, "fits")
	ok(t, os.WriteFile(filepath.Join(root, "freshet.yaml"), fmt.Appendf(nil, "project: shop\nlog: {schema_registry: {url: %q}}\n", safe.URL), 0o600))
	want(t, examine(t, root, nil), "schemas", doctor.Failed, "certificate", "tls")

	ok(t, os.WriteFile(filepath.Join(root, "freshet.yaml"), []byte(text), 0o600))
	registry.Close()
	r = examine(t, root, nil)
	want(t, r, "schemas", doctor.Failed, registry.URL(), "connection refused", "log.schema_registry")
	ok(t, os.WriteFile(filepath.Join(root, "freshet.yaml"), []byte("project: shop\n"), 0o600))
	want(t, examine(t, root, nil), "schemas", doctor.Failed, "fits", "no schema registry is set", "schema_registry: {url:")
}

// TestUsersOfTheStore examines with each user of deploy/redis-users.acl, as either
// role: an ingester must be able to write, a server must not.
func TestUsersOfTheStore(t *testing.T) {
	lines, err := os.ReadFile(filepath.Join("..", "..", "..", "deploy", "redis-users.acl"))
	ok(t, err)
	file := filepath.Join(t.TempDir(), "users.acl")
	all := strings.NewReplacer("REPLACE_READER_PASSWORD", "look", "REPLACE_INGESTER_PASSWORD", "write").Replace(string(lines))
	all += "\nuser old on >old ~{* -@all +mget +hgetall +hget +hset +hmget +exists +strlen +getrange +set +unlink +pexpireat +persist +time +scan +eval +evalsha +hello +auth +ping +select +info\n"
	ok(t, os.WriteFile(file, []byte(all), 0o600))
	server, err := redistest.Start(t.Context(), redistest.Options{Dir: t.TempDir(), Args: []string{"--aclfile", file}})
	ok(t, err)
	t.Cleanup(func() { ok(t, server.Stop()) })
	for _, c := range []struct {
		user, password string
		role           doctor.Role
		state          doctor.State
		words          []string
	}{
		{"freshet_ingester", "write", doctor.Any, doctor.OK, []string{"the user freshet_ingester may read and write"}},
		{"freshet_ingester", "write", doctor.Ingest, doctor.OK, nil},
		{"freshet_ingester", "write", doctor.Serve, doctor.Warning, []string{"may write (persist, set, unlink, scripts)", "the reader's user"}},
		{"freshet_reader", "look", doctor.Any, doctor.OK, []string{"may read and not write"}},
		{"freshet_reader", "look", doctor.Serve, doctor.OK, nil},
		{"freshet_reader", "look", doctor.Ingest, doctor.Failed, []string{"the ingester's user"}},
		{"old", "old", doctor.Any, doctor.Failed, []string{"may not run hincrby", "ACL SETUSER old ~{* +hincrby"}},
	} {
		root := project(t, fmt.Sprintf("project: shop\nonline: {redis: {addrs: [%q], username: %s, password: %s}}\nserve: {listen: %q}\n", server.Addr(), c.user, c.password, freeAddr(t)), definitions)
		r := examine(t, root, func(x *doctor.Config) { x.Role = c.role })
		want(t, r, "rights", c.state, c.words...)
		want(t, r, "store", doctor.OK)
	}
	root := project(t, fmt.Sprintf("project: shop\nonline: {redis: {addrs: [%q], username: freshet_reader, password: guess}}\n", server.Addr()), definitions)
	r := examine(t, root, nil)
	want(t, r, "store", doctor.Failed, "WRONGPASS", "online.redis", "password")
	want(t, r, "rights", doctor.Skipped)
}

// TestWhereDeadLettersGo examines folder and topics: over TLS and SASL, as a user of
// Apache Kafka that has one right after the other.
func TestWhereDeadLettersGo(t *testing.T) {
	keys, _ := kafkatest.Certificate(t)
	broker := kafkatest.StartSecureForTest(t, &kafkatest.Secure{PEM: keys, User: "ingester", Password: "s3cret", Restricted: true})
	ca := filepath.Join(t.TempDir(), "ca.pem")
	_, rest := pem.Decode(keys) // the key; the certificate follows
	ok(t, os.WriteFile(ca, rest, 0o600))
	const form = "project: shop\nlog: {kafka: {brokers: [%q]%s}}\nserve: {listen: %q}\ningest: {dead_letters: {topic: true}}\n"
	secure := func(password string) string {
		return fmt.Sprintf(form, broker.SecureAddr(), fmt.Sprintf(", tls: {ca: %q}, sasl: {mechanism: SCRAM-SHA-512, username: ingester, password: %s}", ca, password), freeAddr(t))
	}
	root := applied(t, secure("s3cret"), definitions, 0)
	topic := func(name string, operations ...kafkatest.Operation) {
		for _, o := range operations {
			ok(t, kafkatest.Allow(t.Context(), broker.Addr(), "ingester", kafkatest.Right{Resource: kafkatest.TopicResource, Name: name, Operation: o}))
		}
	}
	becomes := func(check string, state doctor.State, words ...string) { // a right that is given is known a moment later
		t.Helper()
		for range 50 {
			for _, x := range examine(t, root, nil).Checks {
				if x.Check == check && x.State == state && strings.Contains(x.Of+" "+x.Seen+" "+x.Next, words[0]) {
					return
				}
			}
		}
		t.Errorf("%s never was %s with %q", check, state, words)
	}
	const letters = "orders.shop.dlq"
	r := examine(t, root, nil)
	want(t, r, "log", doctor.OK)
	want(t, r, "dead letters", doctor.Failed, "orders", "Topic Authorization Failed", "kafka-acls.sh --add --allow-principal User:ingester --operation Write --topic "+letters)
	topic(letters, kafkatest.Describe)
	becomes("dead letters", doctor.Failed, "may not be made")
	topic(letters, kafkatest.Create)
	becomes("dead letters", doctor.OK, "is made with the first letter")
	admin := project(t, fmt.Sprintf(form, broker.Addr(), "", freeAddr(t)), definitions)
	s, err := settings.Load(admin, settings.Source{})
	ok(t, err)
	parts, err := node.Open(t.Context(), s, node.WallClock(), slog.New(slog.DiscardHandler), node.NeedLog)
	ok(t, err)
	t.Cleanup(func() { ok(t, parts.Close()) })
	ok(t, parts.Log.CreateTopic(t.Context(), logrecord.TopicSpec{Name: letters, Partitions: 1}))
	ok(t, parts.Log.CreateTopic(t.Context(), logrecord.TopicSpec{Name: "orders", Partitions: 1}))
	becomes("dead letters", doctor.Failed, "may not write the topic "+letters)
	topic(letters, kafkatest.Write)
	becomes("dead letters", doctor.OK, "the topic "+letters+" can be written")
	topic("orders", kafkatest.Describe)
	becomes("sources", doctor.Failed, "may not read the topic")
	topic("orders", kafkatest.Read)
	becomes("sources", doctor.OK, "orders: 1 partitions")

	offline := filepath.Join(root, ".freshet", "offline")
	ok(t, os.MkdirAll(offline, 0o700))
	for _, name := range []string{"deadletters", "history"} {
		ok(t, os.WriteFile(filepath.Join(offline, name), nil, 0o600))
	}
	r = examine(t, root, nil)
	want(t, r, "dead letters", doctor.Failed, "deadletters: not a directory", "mend the folder")
	want(t, r, "disk", doctor.Failed, "history")

	ok(t, os.Remove(filepath.Join(offline, "deadletters")))
	ok(t, os.WriteFile(filepath.Join(root, "freshet.yaml"), []byte(secure("guess")), 0o600))
	r = examine(t, root, nil)
	want(t, r, "log", doctor.Failed, "SASL", "log.kafka: brokers, tls, sasl")
	want(t, r, "dead letters", doctor.Skipped, "need the log")
}
