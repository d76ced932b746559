// Package kafkatest runs a real Apache Kafka broker from its jars: one process,
// KRaft, Java 17. Tests use it through StartForTest, demo-services through Start. It
// is a harness: no production path may use it.
package kafkatest

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"

	"github.com/freshet/freshet/featurestore"
)

// Version is the Kafka that is run.
const Version = "4.4.0"

// minJava is the oldest Java that Kafka 4 runs on.
const minJava = 17

// pom names Kafka's broker; Maven brings the jars it needs.
const pom = `<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>freshet</groupId><artifactId>kafka-jars</artifactId><version>1</version><packaging>pom</packaging>
  <dependencies><dependency>
    <groupId>org.apache.kafka</groupId><artifactId>kafka_2.13</artifactId><version>` + Version + `</version>
  </dependency></dependencies>
</project>
`

// Jars gives the folder of Kafka's jars below cache, fetching them with Maven
// where they are not there yet. The error says what is missing and how to get it.
func Jars(ctx context.Context, cache string) (string, error) {
	if _, err := java(ctx); err != nil {
		return "", err
	}
	libs := filepath.Join(cache, "kafka-"+Version, "libs")
	if found, _ := filepath.Glob(filepath.Join(libs, "kafka-server-*.jar")); len(found) > 0 {
		return libs, nil
	}
	mvn, err := exec.LookPath("mvn")
	if err != nil {
		return "", featurestore.Unavailablef("kafka's jars are not in %q and Maven is missing: install it (Debian: apt-get install maven), or copy the jars of org.apache.kafka:kafka_2.13:%s there", libs, Version)
	}
	return libs, download(ctx, mvn, libs)
}

// download fetches into a folder of its own that is renamed when it is whole,
// so that an interrupted download is never taken for the jars.
func download(ctx context.Context, mvn, libs string) error {
	home := filepath.Dir(libs)
	if err := os.MkdirAll(home, 0o755); err != nil {
		return fmt.Errorf("kafka's jars: %w", err)
	}
	work, err := os.MkdirTemp(home, "fetch-")
	if err != nil {
		return fmt.Errorf("kafka's jars: %w", err)
	}
	defer func() { _ = os.RemoveAll(work) }() // what is left lies in the cache and harms nobody
	if err := os.WriteFile(filepath.Join(work, "pom.xml"), []byte(pom), 0o644); err != nil {
		return fmt.Errorf("kafka's jars: %w", err)
	}
	cmd := exec.CommandContext(ctx, mvn, "-B", "-q", "-ntp",
		"org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies",
		"-DoutputDirectory=libs", "-DincludeScope=runtime")
	cmd.Dir = work
	if out, err := cmd.CombinedOutput(); err != nil {
		return featurestore.Unavailablef("fetch kafka's jars with Maven: %w\n%s", err, tail(out, 2000))
	}
	err = os.Rename(filepath.Join(work, "libs"), libs)
	if errors.Is(err, fs.ErrExist) { // another process was faster
		return nil
	}
	return err
}

var javaVersion = regexp.MustCompile(`version "(\d+)`)

// java finds a Java that is new enough.
func java(ctx context.Context) (string, error) {
	path, err := exec.LookPath("java")
	if err != nil {
		return "", featurestore.Unavailablef("java is missing: kafka %s needs Java %d or later (Debian: apt-get install openjdk-17-jre-headless)", Version, minJava)
	}
	out, err := exec.CommandContext(ctx, path, "-version").CombinedOutput()
	if err != nil {
		return "", featurestore.Unavailablef("%s -version: %w\n%s", path, err, tail(out, 500))
	}
	m := javaVersion.FindSubmatch(out)
	if m == nil {
		return "", featurestore.Unavailablef("%s -version does not say its version: %q", path, tail(out, 500))
	}
	if n, _ := strconv.Atoi(string(m[1])); n < minJava {
		return "", featurestore.Unavailablef("%s is Java %d: kafka %s needs Java %d or later", path, n, Version, minJava)
	}
	return path, nil
}

func tail(b []byte, n int) []byte { return b[max(0, len(b)-n):] }
