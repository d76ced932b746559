// Package settings reads freshet.yaml: where the parts of a deployment are. It
// owns the order flag, environment, file, default; nothing else in the tree
// reads the environment. Settings are plain data, strictly decoded.
package settings

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/featurestore/online"
)

// FileName is the name of the settings file; its folder is the root of the definitions.
const FileName = "freshet.yaml"

// Secret is text that never prints itself.
type Secret string

// String hides the secret.
func (s Secret) String() string {
	if s == "" {
		return ""
	}
	return "***"
}

// GoString hides the secret from %#v.
func (s Secret) GoString() string { return s.String() }

// MarshalText hides the secret from encoders.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// MarshalYAML hides the secret from YAML.
func (s Secret) MarshalYAML() (any, error) { return s.String(), nil }

// Settings are all settings of a project. Folders are absolute after Load.
type Settings struct {
	Project  string   `yaml:"project"`
	Registry Registry `yaml:"registry"`
	Log      Log      `yaml:"log"`
	Online   Online   `yaml:"online"`
	Offline  Offline  `yaml:"offline"`
	Serve    Serve    `yaml:"serve"`
	Ingest   Ingest   `yaml:"ingest,omitempty"`
	Admin    Admin    `yaml:"admin,omitempty"`
	Traces   Traces   `yaml:"traces,omitempty"`

	// Root is the folder of freshet.yaml.
	Root string `yaml:"-"`
}

// Registry says where revisions and generations are kept.
type Registry struct {
	SQLite string `yaml:"sqlite"`
}

// Log is the event log: a folder of the embedded broker, or Kafka.
type Log struct {
	Embedded string `yaml:"embedded,omitempty"`
	Kafka    *Kafka `yaml:"kafka,omitempty"`

	SchemaRegistry *SchemaRegistry `yaml:"schema_registry,omitempty"`
}

// Online is the online store: a folder of the embedded one, or Redis.
type Online struct {
	Embedded string `yaml:"embedded,omitempty"`
	Redis    *Redis `yaml:"redis,omitempty"`
	Lanes    uint16 `yaml:"lanes"` // of generations that are made from now on
}

func (o *Online) validate() (problems []error) {
	if o.Lanes < 1 || o.Lanes > online.MostLanes {
		problems = append(problems, fmt.Errorf("online.lanes: %d is not one of 1 to %d", o.Lanes, online.MostLanes))
	}
	if o.Redis != nil {
		problems = append(problems, o.Redis.validate()...)
	}
	return problems
}

// Offline is the folder of history, runs, datasets and the prediction log.
type Offline struct {
	Dir string `yaml:"dir"`
}

// Serve is the address of the API.
type Serve struct {
	Listen   string `yaml:"listen"`
	Insecure bool   `yaml:"insecure,omitempty"`
}

// Defaults are the embedded parts, under .freshet.
func Defaults() Settings {
	return Settings{
		Registry: Registry{SQLite: ".freshet/registry.db"},
		Log:      Log{Embedded: ".freshet/log"},
		Online:   Online{Embedded: ".freshet/online", Lanes: online.DefaultLanes},
		Offline:  Offline{Dir: ".freshet/offline"},
		Serve:    Serve{Listen: "127.0.0.1:7070"},
		Ingest: Ingest{
			KeepPrevious: Duration(featurestore.Day), Audit: Audit{Every: Duration(featurestore.Hour)},
			Archive: Archive{RestWithin: Duration(featurestore.Minute), Every: Duration(10 * featurestore.Minute), FileMiB: 128, KeepReplaced: Duration(featurestore.Hour)},
			Canary:  Canary{Every: Duration(10 * featurestore.Second), Partitions: 4},
		},
	}
}

// Source is where settings come from besides the file.
type Source struct {
	Profile string
	Getenv  func(string) string
}

// Find looks for freshet.yaml in dir and its parents and returns its folder.
func Find(dir string) (string, error) {
	start, err := filepath.Abs(dir)
	if err != nil {
		return "", err
	}
	for at := start; ; at = filepath.Dir(at) {
		if _, err := os.Stat(filepath.Join(at, FileName)); err == nil {
			return at, nil
		}
		if at == filepath.Dir(at) {
			return "", featurestore.NotFoundf("no %s in %s or above it: run `freshet init`, or name the folder with -C", FileName, start)
		}
	}
}

// Load reads the settings of the project at root.
func Load(root string, src Source) (*Settings, error) {
	root, err := filepath.Abs(root)
	if err != nil {
		return nil, err
	}
	path := filepath.Join(root, FileName)
	data, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil, featurestore.NotFoundf("there is no %s in %s: run `freshet init`, or name the folder with -C", FileName, root)
	}
	if err != nil {
		return nil, err
	}
	s, err := Parse(data, src)
	if err != nil {
		return nil, featurestore.Invalidf("%s: %w", path, err)
	}
	s.Root = root
	s.absolute()
	return s, nil
}

// Parse decodes, overlays profile and environment, resolves references, and
// validates. Paths stay as written.
func Parse(data []byte, src Source) (*Settings, error) {
	file := fileForm{Settings: Defaults()}
	if err := decodeStrict(data, &file); err != nil {
		return nil, err
	}
	s := &file.Settings
	if src.Profile != "" {
		node, found := file.Profiles[src.Profile]
		if !found {
			return nil, fmt.Errorf("there is no profile %q", src.Profile)
		}
		overlay, err := yaml.Marshal(&node)
		if err != nil {
			return nil, err
		}
		if err := decodeStrict(overlay, s); err != nil {
			return nil, fmt.Errorf("profile %q: %w", src.Profile, err)
		}
	}
	if err := s.overlayEnvironment(src.Getenv); err != nil {
		return nil, err
	}
	if err := s.resolve(src.Getenv); err != nil {
		return nil, err
	}
	// A service replaces the embedded default of its part.
	if s.Log.Kafka != nil {
		s.Log.Embedded = ""
	}
	if s.Online.Redis != nil {
		s.Online.Embedded = ""
	}
	return s, s.Validate()
}

type fileForm struct {
	Settings `yaml:",inline"`
	Profiles map[string]yaml.Node `yaml:"profiles"`
}

func decodeStrict(data []byte, into any) error {
	d := yaml.NewDecoder(bytes.NewReader(data))
	d.KnownFields(true)
	if err := d.Decode(into); err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	return nil
}

// Validate reports every problem at once.
func (s *Settings) Validate() error {
	var problems []error
	if err := featurestore.CheckName(s.Project); err != nil {
		problems = append(problems, fmt.Errorf("project: %w", err))
	}
	if k := s.Log.Kafka; k != nil {
		problems = append(problems, k.validate()...)
	}
	for _, check := range []func() error{s.Ingest.validate, s.Admin.validate, s.Traces.validate} {
		if err := check(); err != nil {
			problems = append(problems, err)
		}
	}
	if r := s.Log.SchemaRegistry; r != nil {
		if err := r.validate(); err != nil {
			problems = append(problems, err)
		}
	}
	problems = append(problems, s.Online.validate()...)
	if _, _, err := net.SplitHostPort(s.Serve.Listen); err != nil {
		problems = append(problems, fmt.Errorf("serve.listen: %w", err))
	}
	return errors.Join(problems...)
}

func (s *Settings) absolute() {
	paths := []*string{&s.Registry.SQLite, &s.Log.Embedded, &s.Online.Embedded, &s.Offline.Dir}
	for _, t := range s.transports() {
		paths = append(paths, t.paths()...)
	}
	for _, p := range paths {
		if *p != "" && !filepath.IsAbs(*p) {
			*p = filepath.Join(s.Root, *p)
		}
	}
}

// transports are the TLS settings that are there.
func (s *Settings) transports() []*TLS {
	all := []*TLS{s.Traces.TLS}
	if s.Online.Redis != nil {
		all = append(all, s.Online.Redis.TLS)
	}
	if s.Log.Kafka != nil {
		all = append(all, s.Log.Kafka.TLS)
	}
	if s.Log.SchemaRegistry != nil {
		all = append(all, s.Log.SchemaRegistry.TLS)
	}
	return slices.DeleteFunc(all, func(t *TLS) bool { return t == nil })
}

// overlayEnvironment applies FRESHET_* variables.
func (s *Settings) overlayEnvironment(getenv func(string) string) error {
	if getenv == nil {
		return nil
	}
	text := map[string]*string{
		"FRESHET_PROJECT": &s.Project, "FRESHET_REGISTRY_SQLITE": &s.Registry.SQLite,
		"FRESHET_LOG_EMBEDDED": &s.Log.Embedded, "FRESHET_ONLINE_EMBEDDED": &s.Online.Embedded,
		"FRESHET_OFFLINE_DIR": &s.Offline.Dir, "FRESHET_SERVE_LISTEN": &s.Serve.Listen,
		"FRESHET_ADMIN_LISTEN": &s.Admin.Listen, "FRESHET_TRACES_OTLP": &s.Traces.OTLP,
	}
	for name, p := range text {
		if v := getenv(name); v != "" {
			*p = v
		}
	}
	if v := getenv("FRESHET_LOG_KAFKA_BROKERS"); v != "" {
		if s.Log.Kafka == nil {
			s.Log.Kafka = &Kafka{}
		}
		s.Log.Kafka.Brokers = strings.Split(v, ",")
	}
	if k := s.Log.Kafka; k != nil {
		k.overlay(getenv)
	}
	if v := getenv("FRESHET_LOG_SCHEMA_REGISTRY_URL"); v != "" {
		if s.Log.SchemaRegistry == nil {
			s.Log.SchemaRegistry = &SchemaRegistry{}
		}
		s.Log.SchemaRegistry.URL = v
	}
	if v := getenv("FRESHET_ONLINE_REDIS_ADDRS"); v != "" {
		if s.Online.Redis == nil {
			s.Online.Redis = &Redis{}
		}
		s.Online.Redis.Addrs = strings.Split(v, ",")
	}
	if r := s.Online.Redis; r != nil {
		r.overlay(getenv)
	}
	if v := getenv("FRESHET_SERVE_INSECURE"); v != "" {
		if v != "true" && v != "false" {
			return fmt.Errorf("FRESHET_SERVE_INSECURE: %q is neither true nor false", v)
		}
		s.Serve.Insecure = v == "true"
	}
	return nil
}

var reference = regexp.MustCompile(`\$\{(env|file):([^}]*)\}`)

// resolve replaces ${env:NAME} and ${file:PATH} in values.
func (s *Settings) resolve(getenv func(string) string) error {
	texts := []*string{&s.Project, &s.Registry.SQLite, &s.Log.Embedded, &s.Online.Embedded, &s.Offline.Dir, &s.Serve.Listen}
	texts = append(texts, &s.Admin.Listen, &s.Traces.OTLP)
	if t := s.Traces.TLS; t != nil {
		texts = append(texts, t.texts()...)
	}
	if k := s.Log.Kafka; k != nil {
		texts = append(texts, k.texts()...)
	}
	if r := s.Log.SchemaRegistry; r != nil {
		texts = append(texts, r.texts()...)
	}
	if r := s.Online.Redis; r != nil {
		for i := range r.Addrs {
			texts = append(texts, &r.Addrs[i])
		}
		texts = append(texts, r.texts()...)
	}
	for _, p := range texts {
		if err := resolveText(p, getenv); err != nil {
			return err
		}
	}
	return nil
}

func resolveText(p *string, getenv func(string) string) (err error) {
	*p = reference.ReplaceAllStringFunc(*p, func(ref string) string {
		m := reference.FindStringSubmatch(ref)
		if m[1] == "env" {
			v := ""
			if getenv != nil {
				v = getenv(m[2])
			}
			if v == "" {
				err = errors.Join(err, fmt.Errorf("%s: the variable is not set", ref))
			}
			return v
		}
		data, readErr := os.ReadFile(m[2])
		if readErr != nil {
			err = errors.Join(err, fmt.Errorf("%s: %w", ref, readErr))
		}
		return strings.TrimRight(string(data), "\r\n")
	})
	return err
}
