package settings

import (
	"fmt"
	"net"
	"slices"
)

// Kafka is a Kafka cluster: some of its brokers, and how they let us in.
type Kafka struct {
	Brokers []string `yaml:"brokers"`
	TLS     *TLS     `yaml:"tls,omitempty"`
	SASL    *SASL    `yaml:"sasl,omitempty"`
}

// SASL is how this process authenticates to the brokers.
type SASL struct {
	Mechanism string `yaml:"mechanism"` // PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512
	Username  string `yaml:"username"`
	Password  Secret `yaml:"password"`
}

// mechanisms are those that the client speaks.
var mechanisms = []string{"PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"}

func (k *Kafka) validate() (problems []error) {
	bad := func(format string, args ...any) { problems = append(problems, fmt.Errorf(format, args...)) }
	if len(k.Brokers) == 0 {
		bad("log.kafka.brokers: name at least one broker, as host:port")
	}
	for _, addr := range k.Brokers {
		if _, _, err := net.SplitHostPort(addr); err != nil {
			bad("log.kafka.brokers: %q is not host:port: %w", addr, err)
		}
	}
	if err := k.TLS.validate("log.kafka.tls"); err != nil {
		problems = append(problems, err)
	}
	s := k.SASL
	if s == nil {
		return problems
	}
	if !slices.Contains(mechanisms, s.Mechanism) {
		bad("log.kafka.sasl.mechanism: %q is none of PLAIN, SCRAM-SHA-256, SCRAM-SHA-512", s.Mechanism)
	}
	if s.Username == "" || s.Password == "" {
		bad("log.kafka.sasl: username and password go together, as username: NAME and password: ${env:NAME} or ${file:PATH}")
	}
	return problems
}

// overlay applies FRESHET_LOG_KAFKA_* variables but the brokers.
func (k *Kafka) overlay(getenv func(string) string) {
	set := map[string]string{}
	for _, name := range []string{"MECHANISM", "USERNAME", "PASSWORD"} {
		if v := getenv("FRESHET_LOG_KAFKA_SASL_" + name); v != "" {
			set[name] = v
		}
	}
	if len(set) == 0 {
		return
	}
	if k.SASL == nil {
		k.SASL = &SASL{}
	}
	for name, p := range map[string]*string{"MECHANISM": &k.SASL.Mechanism, "USERNAME": &k.SASL.Username, "PASSWORD": (*string)(&k.SASL.Password)} {
		if v, ok := set[name]; ok {
			*p = v
		}
	}
}

// texts are the values that may hold references.
func (k *Kafka) texts() []*string {
	var out []*string
	for i := range k.Brokers {
		out = append(out, &k.Brokers[i])
	}
	if t := k.TLS; t != nil {
		out = append(out, t.texts()...)
	}
	if s := k.SASL; s != nil {
		out = append(out, &s.Mechanism, &s.Username, (*string)(&s.Password))
	}
	return out
}
