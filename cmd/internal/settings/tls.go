package settings

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"os"

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
	if t.Cert != "" {
		pair, err := tls.LoadX509KeyPair(t.Cert, t.Key)
		if err != nil {
			return nil, featurestore.Invalidf("%s: %w", at, err)
		}
		c.Certificates = []tls.Certificate{pair}
	}
	return c, nil
}

func (t *TLS) texts() []*string { return []*string{&t.CA, &t.Cert, &t.Key, &t.Name} }

// paths are the values that are files.
func (t *TLS) paths() []*string { return []*string{&t.CA, &t.Cert, &t.Key} }
