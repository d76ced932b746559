package kafkatest

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// Secure is a listener with TLS and SASL, for one user by PLAIN and by SCRAM; or
// with mutual TLS, with or without SASL.
type Secure struct {
	PEM      []byte // the broker's key (PKCS 8) and certificate
	User     string // "" is no SASL: who comes is known by his certificate
	Password string

	// Clients are the authorities (certificates) of the clients, each of which must
	// show a certificate of theirs; nil asks for none.
	Clients []byte

	// Restricted lets the user do only what Allow has granted; who comes by the
	// plain listener may do everything.
	Restricted bool
}

// SecureAddr is the host:port of the secure listener.
func (b *Broker) SecureAddr() string { return b.safe }

// settings adds the listener to a broker's settings.
func (s *Secure) settings(text, dir, plain, safe string) (string, error) {
	store := filepath.Join(dir, "broker.pem")
	if err := os.WriteFile(store, s.PEM, 0o600); err != nil {
		return "", err
	}
	protocol := "SASL_SSL"
	if s.User == "" {
		protocol = "SSL"
	}
	text = strings.Replace(text, "listeners=PLAINTEXT://"+plain+",", "listeners=PLAINTEXT://"+plain+","+protocol+"://"+safe+",", 1)
	text = strings.Replace(text, "advertised.listeners=PLAINTEXT://"+plain, "advertised.listeners=PLAINTEXT://"+plain+","+protocol+"://"+safe, 1)
	if s.Restricted {
		text += "authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer\nsuper.users=User:ANONYMOUS\n"
	}
	text += "ssl.keystore.type=PEM\nssl.keystore.location=" + store + "\n"
	login := "listener.name." + strings.ToLower(protocol) + "."
	if s.Clients != nil {
		trusted := filepath.Join(dir, "clients.pem")
		if err := os.WriteFile(trusted, s.Clients, 0o600); err != nil {
			return "", err
		}
		text += "ssl.truststore.type=PEM\nssl.truststore.location=" + trusted + "\n" + login + "ssl.client.auth=required\n"
	}
	if s.User == "" {
		return text, nil
	}
	const module = "org.apache.kafka.common.security."
	return text + strings.Join([]string{
		login + "sasl.enabled.mechanisms=PLAIN,SCRAM-SHA-256,SCRAM-SHA-512",
		login + "plain.sasl.jaas.config=" + module + fmt.Sprintf("plain.PlainLoginModule required user_%s=%q;", s.User, s.Password),
		login + "scram-sha-256.sasl.jaas.config=" + module + "scram.ScramLoginModule required;",
		login + "scram-sha-512.sasl.jaas.config=" + module + "scram.ScramLoginModule required;",
		"",
	}, "\n"), nil
}

// users are the arguments by which the storage is formatted with the user.
func (s *Secure) users() (args []string) {
	if s.User == "" {
		return nil
	}
	for _, mechanism := range []string{"SCRAM-SHA-256", "SCRAM-SHA-512"} {
		args = append(args, "--add-scram", fmt.Sprintf("%s=[name=%s,password=%s]", mechanism, s.User, s.Password))
	}
	return args
}
