package cli

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
	"text/tabwriter"

	"go.yaml.in/yaml/v3"

	"github.com/freshet/freshet/featurestore"
)

// Table is a result as people read it; Names are what -o name prints.
type Table struct {
	Head  []string
	Rows  [][]string
	Names []string
	Foot  string
}

// Print writes a result: data for programs, or the table for people.
func (a *App) Print(data any, table Table) error {
	switch a.format() {
	case "json":
		enc := json.NewEncoder(a.Stdout)
		enc.SetIndent("", "  ")
		enc.SetEscapeHTML(false)
		return enc.Encode(data)
	case "jsonl":
		return printLines(a.Stdout, data)
	case "yaml":
		return printYAML(a.Stdout, data)
	case "name":
		for _, n := range table.Names {
			fmt.Fprintln(a.Stdout, n)
		}
		return nil
	case "table":
		return printTable(a.Stdout, table)
	}
	return a.checkFormat()
}

// checkFormat refuses a format that Print does not know.
func (a *App) checkFormat() error {
	switch a.Format {
	case "", "json", "jsonl", "yaml", "name", "table":
		return nil
	}
	return featurestore.Invalidf("there is no output format %q: use table, json, yaml, jsonl or name", a.Format)
}

func (a *App) format() string {
	if a.Format != "" {
		return a.Format
	}
	if f, ok := a.Stdout.(*os.File); ok {
		if info, err := f.Stat(); err == nil && info.Mode()&os.ModeCharDevice != 0 {
			return "table"
		}
	}
	return "json"
}

func printTable(w io.Writer, t Table) error {
	tw := tabwriter.NewWriter(w, 0, 4, 2, ' ', 0)
	if len(t.Head) > 0 && len(t.Rows) > 0 {
		fmt.Fprintln(tw, strings.Join(t.Head, "\t"))
	}
	for _, row := range t.Rows {
		fmt.Fprintln(tw, strings.Join(row, "\t"))
	}
	if err := tw.Flush(); err != nil {
		return err
	}
	if t.Foot != "" {
		fmt.Fprintln(w, t.Foot)
	}
	return nil
}

// printLines writes a list as a JSON object a line; anything else is one line.
func printLines(w io.Writer, data any) error {
	b, err := json.Marshal(data)
	if err != nil {
		return err
	}
	var list []json.RawMessage
	if json.Unmarshal(b, &list) != nil {
		list = []json.RawMessage{b}
	}
	for _, line := range list {
		fmt.Fprintln(w, string(line))
	}
	return nil
}

// printYAML goes through JSON, so that both have the same names.
func printYAML(w io.Writer, data any) error {
	b, err := json.Marshal(data)
	if err != nil {
		return err
	}
	var node yaml.Node
	if err := yaml.Unmarshal(b, &node); err != nil {
		return err
	}
	plain(&node)
	enc := yaml.NewEncoder(w)
	enc.SetIndent(2)
	if err := enc.Encode(&node); err != nil {
		return err
	}
	return enc.Close()
}

// plain drops the JSON style, so that YAML looks like YAML.
func plain(n *yaml.Node) {
	n.Style &^= yaml.FlowStyle | yaml.DoubleQuotedStyle
	for _, c := range n.Content {
		plain(c)
	}
}
