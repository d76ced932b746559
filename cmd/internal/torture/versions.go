package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/freshet/freshet/cmd/internal/torture/plant"
	"github.com/freshet/freshet/featurestore/definition"
)

// twoVersions starts an ingester whose engine is another one beside the running
// one, as a rolling deploy does: it writes nothing, and says why.
func twoVersions(w *world) error {
	other, err := w.otherEngine()
	if err != nil {
		return err
	}
	if err := w.open(usual()); err != nil {
		return err
	}
	if err := w.begin(500); err != nil {
		return err
	}
	flow := w.flow(1000)
	stale := plant.NewProcess(w.project.Dir, "other", other, "ingest", "-C", w.project.Dir)
	w.atEnd(stale.Stop)
	w.struck()
	if err := stale.Start(); err != nil {
		return err
	}
	select {
	case <-stale.Gone():
	case <-time.After(patience):
		return fmt.Errorf("an ingester of another engine runs beside: see %s", stale.Log())
	}
	text, err := os.ReadFile(stale.Log())
	if err != nil {
		return err
	}
	if reason := "this binary computes otherwise"; !strings.Contains(string(text), reason) {
		return fmt.Errorf("the other ingester does not say %q: %s", reason, text[max(0, len(text)-500):])
	}
	if err := flow.wait(); err != nil {
		return err
	}
	if err := w.repairedRight(); err != nil {
		return err
	}
	return w.compareAtRest()
}

// otherEngine builds freshetd with another state version, from these sources.
func (w *world) otherEngine() (string, error) {
	ctx, cancel := context.WithTimeout(w.ctx, limit)
	defer cancel()
	dir, err := exec.CommandContext(ctx, "go", "list", "-f", "{{.Dir}}", "github.com/freshet/freshet/featurestore/definition").Output()
	if err != nil {
		return "", fmt.Errorf("finding the sources: %w", err)
	}
	source := filepath.Join(strings.TrimSpace(string(dir)), "hash.go")
	text, err := os.ReadFile(source)
	if err != nil {
		return "", err
	}
	old, next := fmt.Sprintf("StateVersion = %d\n", definition.StateVersion), fmt.Sprintf("StateVersion = %d\n", definition.StateVersion+1)
	if !strings.Contains(string(text), old) {
		return "", fmt.Errorf("%s does not hold %q", source, old)
	}
	changed, overlay, out := filepath.Join(w.dir, "hash.go"), filepath.Join(w.dir, "overlay.json"), filepath.Join(w.dir, "freshetd-other")
	list, err := json.Marshal(map[string]map[string]string{"Replace": {source: changed}})
	if err != nil {
		return "", err
	}
	if err := os.WriteFile(changed, []byte(strings.Replace(string(text), old, next, 1)), 0o644); err != nil {
		return "", err
	}
	if err := os.WriteFile(overlay, list, 0o644); err != nil {
		return "", err
	}
	cmd := exec.CommandContext(ctx, "go", "build", "-buildvcs=false", "-tags=duckdb_arrow", "-trimpath", "-overlay", overlay, "-o", out, "github.com/freshet/freshet/cmd/freshetd")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if text, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("building an ingester of another engine: %w: %s", err, text)
	}
	return out, nil
}
