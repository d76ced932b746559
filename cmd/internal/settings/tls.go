package settings

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"os"
	"sync"
	"time"

	"github.com/freshet/freshet/featurestore"
)

// TLS is the transport to a part; {} takes the system's authorities. Paths are
// relative to the folder of freshet.yaml.
type TLS struct {
	CA   string `yaml:"ca,omitempty"`   // authorities, PEM
	Cert string `yaml:"cert,omitempty"` // our certificate, PEM
	Key  string `yaml:"key,omitempty"`
	Name string `yaml:"server_name,omitempty"`
}

// Config reads the files; nil where there is no TLS. at names the setting in errors.
func (t *TLS) Config(at string) (*tls.Config, error) {
	if t == nil {
		return nil, nil
	}
	c := &tls.Config{MinVersion: tls.VersionTLS12, ServerName: t.Name}
	if t.CA != "" {
		pem, err := os.ReadFile(t.CA)
		if err != nil {
			return nil, fmt.Errorf("%s.ca: %w", at, err)
		}
		if c.RootCAs = x509.NewCertPool(); !c.RootCAs.AppendCertsFromPEM(pem) {
			return nil, featurestore.Invalidf("%s.ca: %s holds no certificate in PEM", at, t.CA)
		}
	}
	if err := t.validate(at); err != nil {
		return nil, err
	}
	if t.Cert != "" {
		own := &certificate{cert: t.Cert, key: t.Key}
		if err := own.load(at); err != nil {
			return nil, err
		}
		c.GetClientCertificate = own.get
	}
	return c, nil
}

// validate reports what can be seen without the files.
func (t *TLS) validate(at string) error {
	switch {
	case t == nil || (t.Cert == "") == (t.Key == ""):
		return nil
	case t.Key == "":
		return fmt.Errorf("%s: cert and key go together: name the key of %s as key: FILE", at, t.Cert)
	}
	return fmt.Errorf("%s: cert and key go together: name the certificate of %s as cert: FILE", at, t.Key)
}

// Outdated is until when our certificate was good; zero where it is good, or there
// is none.
func (t *TLS) Outdated(now time.Time) (until time.Time) {
	if t == nil || t.Cert == "" {
		return until
	}
	pair, err := tls.LoadX509KeyPair(t.Cert, t.Key)
	if err != nil || !now.After(pair.Leaf.NotAfter) {
		return until
	}
	return pair.Leaf.NotAfter
}

// certificate is what this process shows. It is read anew at each handshake, so that
// one that was renewed in its files is shown without a restart.
type certificate struct {
	cert, key string

	mu   sync.Mutex
	last *tls.Certificate
}

// load reads both files; at names the setting in errors.
func (c *certificate) load(at string) error {
	cert, err := os.ReadFile(c.cert)
	if err != nil {
		return fmt.Errorf("%s.cert: %w", at, err)
	}
	key, err := os.ReadFile(c.key)
	if err != nil {
		return fmt.Errorf("%s.key: %w", at, err)
	}
	if bytes.Contains(key, []byte("ENCRYPTED PRIVATE KEY")) || bytes.Contains(key, []byte("4,ENCRYPTED")) {
		return featurestore.Invalidf("%s.key: %s is encrypted with a passphrase: write it without, by openssl pkey -in %[2]s -out FILE", at, c.key)
	}
	pair, err := tls.X509KeyPair(cert, key)
	if err != nil {
		return featurestore.Invalidf("%s: the certificate in %s with the key in %s: %w", at, c.cert, c.key, err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.last = &pair
	return nil
}

// get gives the certificate to a server that asks for one; the last one that was
// whole where the files are just being replaced.
func (c *certificate) get(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
	_ = c.load("") // the server says what is wrong with the last one
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.last, nil
}

func (t *TLS) texts() []*string { return []*string{&t.CA, &t.Cert, &t.Key, &t.Name} }

// paths are the values that are files.
func (t *TLS) paths() []*string { return []*string{&t.CA, &t.Cert, &t.Key} }
