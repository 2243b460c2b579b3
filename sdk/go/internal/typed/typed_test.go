package typed

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"
	"time"
)

type base struct {
	ID string `json:"id"`
}

type item struct {
	Name  string  `json:"name"`
	Price float64 `json:"price"`
	Note  *string `json:"note"`
}

type order struct {
	base
	Items    []item            `json:"items"`
	Count    uint8             `json:"count"`
	Labels   map[string]int    `json:"labels,omitempty"`
	Due      time.Time         `json:"due,omitzero"`
	Pair     [2]bool           `json:"pair,omitempty"`
	Any      any               `json:"any,omitempty"`
	Raw      json.RawMessage   `json:"raw,omitempty"`
	Parent   *order            `json:"parent"`
	Hidden   string            `json:"-"`
	Texts    map[string]string `json:"texts,omitempty"`
	Bytes    []byte            `json:"bytes,omitempty"`
	internal int
}

func TestWhatFitsIsRead(t *testing.T) {
	text := `{"id":"7","items":[{"name":"ä","price":1.5,"note":null}],"COUNT":255,"labels":{"a":1},"due":"2026-01-02T03:04:05Z",
		"pair":[true,false],"any":{"x":[1,"}"]},"raw":null,"parent":{"id":"6","items":null,"count":0},"other":{"a":["\"]"]},"bytes":"YQ=="}`
	var made order
	if err := Read([]byte(text), &made); err != nil {
		t.Fatal(err)
	}
	if made.ID != "7" || made.Items[0].Name != "ä" || made.Count != 255 || made.Parent.ID != "6" || string(made.Bytes) != "a" {
		t.Errorf("%+v", made)
	}
}

func TestAMisfitNamesItsPlace(t *testing.T) {
	cases := []struct{ text, wanted string }{
		{`{"items":[],"count":1}`, "missing field `id`"},
		{`{"id":"1","count":1}`, "missing field `items`"},
		{`{"id":"1","items":[{"name":"a","price":1},{"name":"b","price":"two"}],"count":1}`, "at `items[1].price`: expected a number, found \"two\""},
		{`{"id":"1","items":[{"name":"a"}],"count":1}`, "at `items[0]`: missing field `price`"},
		{`{"id":"1","items":{},"count":1}`, "at `items`: expected an array, found an object"},
		{`{"id":"1","items":[],"count":256}`, "at `count`: 256 is not in the range of uint8"},
		{`{"id":"1","items":[],"count":-1}`, "at `count`: -1 is not in the range of uint8"},
		{`{"id":"1","items":[],"count":1.5}`, "at `count`: expected a whole number, found 1.5"},
		{`{"id":null,"items":[],"count":1}`, "at `id`: expected a text, found null"},
		{`{"id":"1","items":[],"count":1,"labels":{"a b":"x"}}`, "at `labels[\"a b\"]`: expected a whole number, found \"x\""},
		{`{"id":"1","items":[],"count":1,"due":"now"}`, "at `due`: expected a time as RFC 3339 has it, found \"now\""},
		{`{"id":"1","items":[],"count":1,"pair":[true]}`, "at `pair`: expected an array of 2, found 1"},
		{`{"id":"1","items":[],"count":1,"pair":[true,0]}`, "at `pair[1]`: expected true or false, found 0"},
		{`{"id":"1","items":[],"count":1,"bytes":"?"}`, "at `bytes`: expected a text in Base64, found \"?\""},
		{`{"id":"1","items":[],"count":1,"parent":{"id":true,"items":[],"count":1}}`, "at `parent.id`: expected a text, found true"},
		{`[]`, "expected an object, found an array"},
		{`null`, "expected an object, found null"},
		{"{\"id\":\n  x}", "invalid character 'x' looking for beginning of value at line 2 column 3"},
		{``, "unexpected end of JSON input at line 1 column 1"},
	}
	for _, c := range cases {
		var made order
		err := Read([]byte(c.text), &made)
		if err == nil || !strings.Contains(err.Error(), c.wanted) {
			t.Errorf("%s: %v, not %s", c.text, err, c.wanted)
		}
	}
}

func TestAnythingIsReadAsItComes(t *testing.T) {
	for _, text := range []string{`null`, `{"a":null}`, ` [1,"x"] `, `"\u0000"`} {
		var made, wanted any
		if err := Read([]byte(text), &made); err != nil {
			t.Error(err)
		}
		if json.Unmarshal([]byte(text), &wanted); !reflect.DeepEqual(made, wanted) {
			t.Errorf("%s became %v", text, made)
		}
	}
}

func TestLongValuesAreCutInErrors(t *testing.T) {
	var made int
	err := Read([]byte(`"`+strings.Repeat("ä", 100)+`"`), &made)
	if err == nil || len(err.Error()) > 120 || !strings.HasSuffix(err.Error(), "…") {
		t.Error(err)
	}
}

func TestTextIsWrittenAsItIs(t *testing.T) {
	text, err := Write(map[string]string{"a": "<b>&\u2028"})
	if err != nil || string(text) != `{"a":"<b>&\u2028"}` {
		t.Errorf("%s, %v", text, err)
	}
	if _, err := Write(make(chan int)); err == nil {
		t.Error("a channel has a JSON form")
	}
}

func TestASchemaSaysWhatIsRead(t *testing.T) {
	text, err := Schema[order]()
	if err != nil {
		t.Fatal(err)
	}
	var made map[string]any
	if err := json.Unmarshal(text, &made); err != nil {
		t.Fatal(err)
	}
	// A struct that contains itself is a definition.
	if made["$ref"] != "#/$defs/order" {
		t.Errorf("%s", text)
	}
	definition := made["$defs"].(map[string]any)["order"].(map[string]any)
	if !reflect.DeepEqual(definition["required"], []any{"items", "count", "id"}) {
		t.Errorf("required: %v", definition["required"])
	}
	properties := definition["properties"].(map[string]any)
	wanted := map[string]string{
		"id":     `{"type":"string"}`,
		"items":  `{"items":{"$ref":"#/$defs/item"},"type":["array","null"]}`,
		"count":  `{"minimum":0,"type":"integer"}`,
		"due":    `{"format":"date-time","type":"string"}`,
		"any":    `{}`,
		"parent": `{"anyOf":[{"$ref":"#/$defs/order"},{"type":"null"}]}`,
	}
	for name, want := range wanted {
		if got, _ := Write(properties[name]); string(got) != want {
			t.Errorf("%s: %s", name, got)
		}
	}
	if _, there := properties["Hidden"]; there {
		t.Error("a hidden field is in the schema")
	}
	if text, _ := Schema[any](); text != nil {
		t.Errorf("%s", text)
	}
	if text, _ := Schema[item](); !strings.Contains(string(text), `"title":"item"`) || strings.Contains(string(text), "$defs") {
		t.Errorf("%s", text)
	}
}
