package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/featurestore/definition"
)

// GetCommand is `get`.
func (a *App) GetCommand() *cobra.Command {
	var request []string
	var asOf string
	cmd := &cobra.Command{
		Use:   "get SERVICE|view.feature,... key=value,... [--request name=value]",
		Short: "Look features up online, with status and age",
		Args:  cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) (err error) {
			api, err := a.API(cmd.Context())
			if err != nil {
				return err
			}
			defer closing(api.Close, &err)
			body, err := a.getBody(cmd.Context(), args, request, asOf)
			if err != nil {
				return err
			}
			out, err := api.Call(cmd.Context(), "POST", "/v1/features:get", body)
			if err != nil {
				return err
			}
			var ans Answer
			if err := json.Unmarshal(out, &ans); err != nil {
				return fmt.Errorf("the answer does not decode: %w", err)
			}
			a.sayWhy(cmd.Context(), api, &ans)
			return a.Print(json.RawMessage(out), answerTable(&ans))
		},
	}
	cmd.Flags().StringArrayVar(&request, "request", nil, "request data, as name=value")
	cmd.Flags().StringVar(&asOf, "as-of", "", "read as of an instant (RFC 3339)")
	return cmd
}

// sayWhy says why values are REBUILDING, and the command that leads on, where a person
// has to act.
func (a *App) sayWhy(ctx context.Context, api *API, ans *Answer) {
	rebuilding := slices.ContainsFunc(ans.Columns, func(c AnswerColumn) bool {
		return slices.Contains(c.Status, featurestore.Rebuilding.String())
	})
	if !rebuilding {
		return
	}
	s, err := api.Status(ctx)
	if err != nil {
		return // the answer stands without it
	}
	for _, v := range s.Views {
		if !v.Answers && v.Reason != "" && v.Next != "" && slices.ContainsFunc(ans.Views, func(x AnswerView) bool { return x.View == v.View }) {
			a.Note("note: view %q is %s: %s (next: %s)", v.View, v.State, v.Reason, v.Next)
		}
	}
}

// getBody makes the request: keys get their types from the definitions that are
// in force.
func (a *App) getBody(ctx context.Context, args, request []string, asOf string) (map[string]any, error) {
	project, err := a.appliedHere(ctx)
	if err != nil {
		return nil, err
	}
	body := map[string]any{"include": []string{"status", "event_time", "watermark", "read_time", "positions"}}
	var service *definition.Service
	if strings.Contains(args[0], ".") {
		refs := strings.Split(args[0], ",")
		body["features"] = refs
		if service, err = project.AdHoc(refs); err != nil {
			return nil, featurestore.NotFoundf("%w", err)
		}
	} else {
		body["service"] = args[0]
		if service = project.Service(args[0]); service == nil {
			return nil, featurestore.NotFoundf("there is no service %q (see `freshet list services`)", args[0])
		}
	}
	if asOf != "" {
		body["as_of"] = asOf
	}
	var pairs []string
	for _, arg := range args[1:] {
		pairs = append(pairs, strings.Split(arg, ",")...)
	}
	if body["entities"], err = typedPairs(pairs, service.Entities, "key"); err != nil {
		return nil, err
	}
	body["request"], err = typedPairs(request, service.Request, "request data")
	return body, err
}

// typedPairs turns name=value texts into columns of one row.
func typedPairs(pairs []string, fields []definition.Field, what string) (map[string]any, error) {
	out := map[string]any{}
	for _, pair := range pairs {
		name, text, ok := strings.Cut(pair, "=")
		if !ok {
			return nil, featurestore.Invalidf("%s %q: write it as name=value", what, pair)
		}
		var typ *featurestore.Type
		for i := range fields {
			if fields[i].Name == name {
				typ = &fields[i].Type
			}
		}
		if typ == nil {
			return nil, featurestore.Invalidf("%s %q is not wanted; wanted: %s", what, name, fieldNames(fields))
		}
		switch typ.Kind {
		case featurestore.KindInt64, featurestore.KindDouble, featurestore.KindBool, featurestore.KindList, featurestore.KindMap:
			if !json.Valid([]byte(text)) {
				return nil, featurestore.Invalidf("%s %q must be %s, is %q", what, name, typ, text)
			}
			out[name] = []json.RawMessage{json.RawMessage(text)}
		default:
			out[name] = []string{text}
		}
	}
	return out, nil
}

func fieldNames(fields []definition.Field) string {
	names := make([]string, len(fields))
	for i, f := range fields {
		names[i] = f.Name
	}
	if len(names) == 0 {
		return "none"
	}
	return strings.Join(names, ", ")
}

// shown is a value for a table: a text without its quotes, a list or a map as
// JSON, cut where it is long (-o json has the whole).
func shown(raw json.RawMessage) string {
	const most = 100
	text := strings.Trim(string(raw), `"`)
	if len(raw) > 0 && (raw[0] == '[' || raw[0] == '{') && len(text) > most {
		return strings.ToValidUTF8(text[:most], "") + "..."
	}
	return text
}

func answerTable(ans *Answer) Table {
	t := Table{Head: []string{"FEATURE", "VALUE", "STATUS", "AGE"}}
	for _, c := range ans.Columns {
		value, status := "", ""
		if len(c.Values) > 0 {
			value = shown(c.Values[0])
		}
		if len(c.Status) > 0 {
			status = c.Status[0]
		}
		t.Rows = append(t.Rows, []string{c.Name, value, status, ans.Age(c.Name)})
		t.Names = append(t.Names, c.Name)
	}
	if len(ans.ReadTime) > 0 {
		t.Foot = "read at " + ans.ReadTime[0]
		for _, v := range ans.Views {
			if v.Watermark != nil && v.As == "" {
				t.Foot += fmt.Sprintf("; %s up to %s", v.View, *v.Watermark)
			}
		}
	}
	return t
}
