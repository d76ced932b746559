package redistest

import "crypto/tls"

// TLS makes a server speak TLS and nothing else: to clients, which must show a
// certificate of the authority, among a cluster's nodes, and to replicas and
// sentinels. The fields but the last are paths of PEM files.
type TLS struct {
	CA, Cert, Key string
	Client        *tls.Config // of who asks the server here
}

// args are the settings of a server on a port; nil stands for plaintext.
func (t *TLS) args(port string) []string {
	if t == nil {
		return []string{"--port", port}
	}
	return []string{
		"--port", "0", "--tls-port", port, "--tls-ca-cert-file", t.CA, "--tls-cert-file", t.Cert, "--tls-key-file", t.Key,
		"--tls-auth-clients", "yes", "--tls-replication", "yes", "--tls-cluster", "yes",
	}
}

// lines are the same in a file of settings; a sentinel knows no cluster.
func (t *TLS) lines(port string) string {
	out := ""
	args := t.args(port)
	for i := 0; i < len(args); i += 2 {
		if args[i] != "--tls-cluster" {
			out += args[i][2:] + " " + args[i+1] + "\n"
		}
	}
	return out
}

// client is what a client needs.
func (t *TLS) client() *tls.Config {
	if t == nil {
		return nil
	}
	return t.Client
}
