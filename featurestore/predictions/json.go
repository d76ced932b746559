package predictions

import "github.com/freshet/freshet/featurestore"

func comma(b []byte, i int) []byte {
	if i > 0 {
		return append(b, ',')
	}
	return b
}

func elem(t featurestore.Type) featurestore.Type {
	if t.Elem == nil {
		return featurestore.Type{}
	}
	return *t.Elem
}

func appendText(b []byte, s string) []byte {
	return featurestore.AppendJSON(b, featurestore.StringValue(s), featurestore.String)
}
