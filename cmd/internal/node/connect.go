package node

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"time"

	"github.com/freshet/freshet/cmd/internal/settings"
)

// Why a server does not let us in, as far as its refusal shows.
type refusal uint8

const (
	otherwise      refusal = iota
	badCertificate         // theirs is not one that we trust
	ownCertificate         // ours is not one that they do, or there is none
	badPassword
	otherProtocol
	cutOff  // it closed the connection: maybe one of the two speaks TLS and the other does not
	silent  // it took the connection and said nothing
	unheard // there was no connection
)

func refusalOf(err error) refusal {
	var theirs *tls.CertificateVerificationError
	var dial *net.OpError
	text := err.Error()
	switch {
	case strings.Contains(text, "remote error: tls") && strings.Contains(text, "certificate"):
		return ownCertificate
	case errors.As(err, &theirs), strings.Contains(text, "x509:"), strings.Contains(text, "remote error: tls"):
		return badCertificate
	case strings.Contains(text, "SASL"), strings.Contains(text, "WRONGPASS"), strings.Contains(text, "NOAUTH"):
		return badPassword
	case strings.Contains(text, "expecting TLS"), strings.Contains(text, "not look like a TLS"):
		return otherProtocol
	case errors.As(err, &dial) && dial.Op == "dial":
		return unheard
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), strings.HasSuffix(text, "EOF"):
		return cutOff
	case Silent(err):
		return silent
	}
	return otherwise
}

// Silent reports whether an error is that of a server which took a connection and has not
// answered in time.
func Silent(err error) bool {
	return errors.Is(err, os.ErrDeadlineExceeded) || errors.Is(err, context.DeadlineExceeded) || strings.Contains(err.Error(), "i/o timeout")
}

// next adds to an error what to look at in the settings of a part.
func next(err error, transport *settings.TLS, at, credentials string) error {
	if err == nil {
		return nil
	}
	say := ""
	switch refusalOf(err) {
	case badCertificate:
		say = fmt.Sprintf("look at %s.tls: ca must hold the authority that signed the server's certificate, server_name the name in it", at)
	case ownCertificate:
		say = ours(transport, at)
	case badPassword:
		say = "look at " + credentials
	case silent:
		// Whoever wants TLS ends a connection that does not begin with it; who does not
		// may wait for the rest of what TLS begins with.
		if say = silentNext; transport != nil {
			say += fmt.Sprintf("; does this port speak TLS? If not, remove %s.tls", at)
		}
	case unheard:
		say = fmt.Sprintf("see that it runs, and that its address in %s is right", at)
	case cutOff, otherProtocol:
		if transport == nil {
			say = fmt.Sprintf("does this port want TLS? Then write %s.tls: {}; else see that it wants no other login than %s", at, credentials)
		} else {
			say = fmt.Sprintf("does this port speak TLS? If not, remove %s.tls; else see that it wants no other login than %s", at, credentials)
		}
	default:
		return err
	}
	return fmt.Errorf("%w (next: %s)", err, say)
}

// ours is what to look at where a server does not take our certificate.
func ours(transport *settings.TLS, at string) string {
	until := transport.Outdated(time.Now())
	switch {
	case transport == nil || transport.Cert == "":
		return fmt.Sprintf("the server asks for a certificate: write %s.tls: cert and key", at)
	case !until.IsZero():
		return fmt.Sprintf("renew the certificate in %s.tls: cert, which was good until %s", at, until.UTC().Format(time.DateTime))
	}
	return fmt.Sprintf("look at %s.tls: cert must be signed by an authority that the server trusts, and hold what lies between", at)
}

// silentNext leads on where a server takes connections and says nothing.
const silentNext = "something listens there and does not answer: see that the process is not stopped or overloaded"

// nextKafka is next for the log.
func nextKafka(err error, k *settings.Kafka) error {
	if k == nil {
		return err
	}
	return next(err, k.TLS, "log.kafka", "log.kafka.sasl: mechanism, username and password")
}

// nextRedis is next for the online store.
func nextRedis(err error, r *settings.Redis) error {
	if r == nil {
		return err
	}
	return next(err, r.TLS, "online.redis", "online.redis.username and password")
}
