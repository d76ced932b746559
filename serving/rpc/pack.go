package rpc

import (
	"github.com/freshet/freshet/featurestore"
	servingv1 "github.com/freshet/freshet/serving/api/v1"
	"github.com/freshet/freshet/serving/service"
)

func packAnswer(a *service.Answer, parts include) *servingv1.GetFeaturesResponse {
	out := &servingv1.GetFeaturesResponse{Service: a.Service, Revision: a.Revision, RequestId: a.RequestID}
	if parts.has(includeReadTime) {
		for _, t := range a.ReadTimes {
			out.ReadTimes = append(out.ReadTimes, int64(t))
		}
	}
	for i := range a.Columns {
		out.Columns = append(out.Columns, packColumn(&a.Columns[i], parts))
	}
	for i := range a.Roles {
		out.Views = append(out.Views, packRole(&a.Roles[i], parts))
	}
	return out
}

func packColumn(c *service.Column, parts include) *servingv1.Column {
	out := &servingv1.Column{Name: c.Name, Type: c.Type.String()}
	values := make([]featurestore.Value, len(c.Cells))
	for i := range c.Cells {
		values[i] = c.Cells[i].Value
	}
	out.Values, out.Validity = packValues(values, c.Type)
	if parts.has(includeStatus) {
		out.Statuses = make([]servingv1.Status, len(c.Cells))
		for i := range c.Cells {
			out.Statuses[i] = servingv1.Status(c.Cells[i].Status)
		}
	}
	return out
}

func packRole(r *service.Role, parts include) *servingv1.View {
	out := &servingv1.View{View: r.View, As: r.As, Generation: r.Generation}
	if parts.has(includeWatermark) && r.HasWatermark {
		w := int64(r.Watermark)
		out.Watermark = &w
	}
	if parts.has(includeEventTime) {
		out.EventTimes = make([]int64, len(r.Rows))
		out.EventTimeValidity = make([]byte, (len(r.Rows)+7)/8)
		for i, s := range r.Rows {
			if s.HasTime {
				out.EventTimes[i] = int64(s.Time)
				out.EventTimeValidity[i/8] |= 1 << (i % 8)
			}
		}
	}
	if parts.has(includePositions) {
		for i := range r.Rows {
			out.Positions = append(out.Positions, packPositions(r, &r.Rows[i]))
		}
	}
	return out
}

func packPositions(r *service.Role, s *service.RowState) *servingv1.RowPositions {
	out := &servingv1.RowPositions{Run: s.Run}
	for _, e := range s.Applied {
		out.Applied = append(out.Applied, &servingv1.AppliedEntry{
			Source: r.Sources[e.Source], Generation: e.Generation, Partition: e.Partition,
			Offset: e.Offset, MaxLogTime: int64(e.MaxLogTime),
		})
	}
	return out
}
