package rules

import (
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"github.com/freshet/freshet/cmd/internal/settings"
)

// instruction is one instruction of a Dockerfile, with its continued lines joined.
type instruction struct {
	name string // in capitals
	args string
}

func dockerfile(t *testing.T, name string) []instruction {
	t.Helper()
	content, _ := text(t, name)
	joined := regexp.MustCompile(`\\\n\s*`).ReplaceAllString(content, "")
	known := []string{"FROM", "WORKDIR", "COPY", "RUN", "ARG", "USER", "EXPOSE", "ENTRYPOINT", "CMD", "ENV", "LABEL"}
	var list []instruction
	for line := range strings.Lines(joined) {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		word, args, _ := strings.Cut(line, " ")
		if !slices.Contains(known, word) {
			t.Errorf("%s: %q is no instruction that we use (COPY instead of ADD, no HEALTHCHECK: compose has it)", name, word)
		}
		list = append(list, instruction{word, strings.TrimSpace(args)})
	}
	return list
}

func dockerfiles(t *testing.T) []string {
	t.Helper()
	list := slices.DeleteFunc(files(t), func(name string) bool { return !strings.HasPrefix(name, "deploy/Dockerfile.") })
	if len(list) < 2 {
		t.Fatalf("there are %d Dockerfiles in deploy/, one for each program is expected", len(list))
	}
	return list
}

// pinned images have a tag that says a version, and come from the default registry.
var pinned = regexp.MustCompile(`^[a-z0-9]+(/[a-z0-9-]+)?:([0-9][a-z0-9.-]*|bookworm-slim)$`)

func TestDockerfiles(t *testing.T) {
	secret := regexp.MustCompile(`(?i)(password|secret|token|api_?key)\s*=`)
	for _, name := range dockerfiles(t) {
		list := dockerfile(t, name)
		stages := map[string]bool{"scratch": true}
		user, last := "", ""
		for _, in := range list {
			switch in.name {
			case "FROM":
				words := strings.Fields(in.args)
				if image := words[0]; !stages[image] && !pinned.MatchString(image) {
					t.Errorf("%s: FROM %s: name a version", name, image)
				}
				if len(words) == 3 {
					stages[words[2]] = true
				}
				user, last = "", words[0] // a stage begins as root
			case "USER":
				user = in.args
			case "COPY":
				copies(t, name, in.args, stages)
			case "RUN":
				if strings.Contains(in.args, "curl ") || strings.Contains(in.args, "wget ") {
					t.Errorf("%s: RUN %s: what is downloaded is not pinned", name, in.args)
				}
			case "ENTRYPOINT", "CMD":
				if !strings.HasPrefix(in.args, "[") {
					t.Errorf("%s: %s %s: a shell would swallow signals; write a list", name, in.name, in.args)
				}
			}
			if secret.MatchString(in.args) {
				t.Errorf("%s: %s %s: a secret has no place in an image", name, in.name, in.args)
			}
		}
		if user == "" || user == "root" || strings.HasPrefix(user, "0") {
			t.Errorf("%s: the last stage (FROM %s) runs as %q: set USER to somebody else", name, last, user)
		}
	}
}

// copies checks that what a COPY takes from the repository is there, and from a
// stage that exists.
func copies(t *testing.T, name, args string, stages map[string]bool) {
	t.Helper()
	words := strings.Fields(args)
	for len(words) > 0 && strings.HasPrefix(words[0], "--") {
		if from, ok := strings.CutPrefix(words[0], "--from="); ok {
			if !stages[from] {
				t.Errorf("%s: COPY %s: there is no stage %q", name, args, from)
			}
			return
		}
		words = words[1:]
	}
	for _, source := range words[:len(words)-1] {
		if _, err := os.Stat(filepath.Join(root(t), source)); err != nil {
			t.Errorf("%s: COPY %s: %v", name, args, err)
		}
	}
}

// compose is what the rules read of a compose file.
type compose struct {
	Name     string
	Services map[string]service
	Volumes  map[string]any
}

type service struct {
	Image  string
	Build  *struct{ Context, Dockerfile string }
	User   string
	Ports  []string
	Health *struct {
		Test    []string
		Disable bool
	} `yaml:"healthcheck"`
	Restart     string
	Volumes     []string
	Privileged  bool
	Environment map[string]string
	DependsOn   map[string]struct{ Condition string } `yaml:"depends_on"`
}

func readCompose(t *testing.T) compose {
	t.Helper()
	content, _ := text(t, "deploy/compose.yaml")
	var c compose
	if err := yaml.Unmarshal([]byte(content), &c); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"kafka", "redis", "ingest", "serve"} {
		if _, ok := c.Services[name]; !ok {
			t.Errorf("compose.yaml has no service %s", name)
		}
	}
	return c
}

func TestComposeServices(t *testing.T) {
	c := readCompose(t)
	for name, s := range c.Services {
		if s.Build == nil && !pinned.MatchString(s.Image) {
			t.Errorf("service %s: image %q: name a version", name, s.Image)
		}
		if s.Build != nil {
			if at := path.Join("deploy", s.Build.Context, s.Build.Dockerfile); !slices.Contains(files(t), at) {
				t.Errorf("service %s: there is no %s", name, at)
			}
		}
		if s.Privileged || s.User == "root" {
			t.Errorf("service %s runs with more rights than it needs", name)
		}
		if s.Restart != "no" && (s.Health == nil || s.Health.Test == nil && !s.Health.Disable) {
			t.Errorf("service %s runs on and has no healthcheck", name)
		}
		for _, p := range s.Ports {
			if !strings.HasPrefix(p, "127.0.0.1:") {
				t.Errorf("service %s publishes %s: without authentication, on 127.0.0.1 only", name, p)
			}
		}
		for on, d := range s.DependsOn {
			other, ok := c.Services[on]
			switch {
			case !ok:
				t.Errorf("service %s depends on %s, which is not there", name, on)
			case d.Condition == "service_healthy" && (other.Health == nil || other.Health.Test == nil):
				t.Errorf("service %s waits for %s to be healthy, which has no healthcheck", name, on)
			case d.Condition == "service_completed_successfully" && other.Restart != "no":
				t.Errorf("service %s waits for the end of %s, which restarts", name, on)
			}
		}
	}
}

// TestComposeVolumes: every mount is a volume of the file or a path of the repository.
func TestComposeVolumes(t *testing.T) {
	c := readCompose(t)
	fallback := regexp.MustCompile(`\$\{[A-Z_]+:-([^}]*)\}`)
	used := map[string]bool{}
	for name, s := range c.Services {
		for _, mount := range s.Volumes {
			source, _, _ := strings.Cut(fallback.ReplaceAllString(mount, "$1"), ":")
			if !strings.HasPrefix(source, ".") {
				used[source] = true
				if _, ok := c.Volumes[source]; !ok {
					t.Errorf("service %s mounts the volume %s, which is not declared", name, source)
				}
				continue
			}
			if _, err := os.Stat(filepath.Join(root(t), "deploy", source)); err != nil {
				t.Errorf("service %s mounts %s: %v", name, source, err)
			}
		}
	}
	for name := range c.Volumes {
		if !used[name] {
			t.Errorf("no service mounts the volume %s", name)
		}
	}
}

// TestComposeSettings: the settings are those of the program, and name the
// services of the compose file.
func TestComposeSettings(t *testing.T) {
	content, _ := text(t, "deploy/freshet.yaml")
	s, err := settings.Parse([]byte(content), settings.Source{})
	if err != nil {
		t.Fatal(err)
	}
	if s.Log.Kafka == nil || s.Online.Redis == nil {
		t.Fatal("deploy/freshet.yaml does not use Kafka and Redis")
	}
	c := readCompose(t)
	for _, addr := range slices.Concat(s.Log.Kafka.Brokers, s.Online.Redis.Addrs) {
		host, _, _ := strings.Cut(addr, ":")
		if _, ok := c.Services[host]; !ok {
			t.Errorf("deploy/freshet.yaml names %s, and compose.yaml has no service %s", addr, host)
		}
	}
	for _, dir := range []string{s.Registry.SQLite, s.Offline.Dir} {
		if !strings.HasPrefix(dir, "/data/") {
			t.Errorf("deploy/freshet.yaml keeps %s outside the volume /data", dir)
		}
	}
	// Freshet refuses a store that evicts or forgets; the compose file must not offer one.
	redis, _ := text(t, "deploy/compose.yaml")
	for _, want := range []string{"noeviction", `--appendonly, "yes"`} {
		if !strings.Contains(redis, want) {
			t.Errorf("compose.yaml starts Redis without %s", want)
		}
	}
}
