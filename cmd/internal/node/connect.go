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
	cutOff // it closed the connection, or said nothing: maybe one of the two speaks TLS and the other does not
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
	case errors.As(err, &dial) && dial.Op == "dial": // there was no connection yet
		return otherwise
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, os.ErrDeadlineExceeded), errors.Is(err, context.DeadlineExceeded),
		strings.HasSuffix(text, "EOF"), strings.Contains(text, "i/o timeout"):
		return cutOff
	}
	return otherwise
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
