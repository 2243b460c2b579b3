package typed

import (
	"encoding"
	"encoding/json"
	"reflect"
	"strings"
	"sync"
	"time"
)

// form is what a type wants of JSON.
type form uint8

const (
	anything form = iota
	boolean
	whole
	number
	text
	moment
	bytesText
	array
	mapping
	object
	pointed
)

// plan is what a type wants of JSON, made once for each type.
type plan struct {
	form     form
	kind     reflect.Type
	nullable bool
	// strict: something in it is checked that encoding/json lets pass, which takes `null` for anything.
	strict bool
	// signed and bits are for whole numbers.
	signed bool
	bits   int
	// length is that of a fixed array, -1 for others.
	length int
	item   *plan
	fields []field
}

type field struct {
	name     string
	required bool
	plan     *plan
}

var (
	readsJSON = reflect.TypeFor[json.Unmarshaler]()
	readsText = reflect.TypeFor[encoding.TextUnmarshaler]()
	timeType  = reflect.TypeFor[time.Time]()
	numType   = reflect.TypeFor[json.Number]()
)

var (
	plansLock sync.Mutex
	// plans are those made so far.
	plans = map[reflect.Type]*plan{}
)

func planOf(kind reflect.Type) *plan {
	plansLock.Lock()
	defer plansLock.Unlock()
	return planned(kind)
}

func planned(kind reflect.Type) *plan {
	if known, ok := plans[kind]; ok {
		return known
	}
	made := &plan{kind: kind, length: -1}
	// Here before it is finished, for a type that contains itself.
	plans[kind] = made
	made.fill()
	return made
}

func (p *plan) fill() {
	kind := p.kind
	pointer := reflect.PointerTo(kind)
	switch {
	case kind == timeType:
		p.form, p.strict = moment, true
		return
	case kind == numType:
		p.form, p.strict = number, true
		return
	case kind.Kind() == reflect.Pointer:
		p.form, p.nullable, p.item = pointed, true, planned(kind.Elem())
		p.strict = p.item.strict
		return
	case pointer.Implements(readsJSON):
		p.form = anything
		return
	case pointer.Implements(readsText):
		p.form, p.strict = text, true
		return
	}
	switch kind.Kind() {
	case reflect.Bool:
		p.form, p.strict = boolean, true
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		p.form, p.signed, p.bits, p.strict = whole, true, kind.Bits(), true
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64, reflect.Uintptr:
		p.form, p.bits, p.strict = whole, kind.Bits(), true
	case reflect.Float32, reflect.Float64:
		p.form, p.strict = number, true
	case reflect.String:
		p.form, p.strict = text, true
	case reflect.Slice:
		p.nullable = true
		if kind.Elem().Kind() == reflect.Uint8 && !reflect.PointerTo(kind.Elem()).Implements(readsJSON) {
			p.form = bytesText
			return
		}
		p.form, p.item = array, planned(kind.Elem())
		p.strict = p.item.strict
	case reflect.Array:
		p.form, p.item, p.length, p.strict = array, planned(kind.Elem()), kind.Len(), true
	case reflect.Map:
		p.form, p.nullable, p.item = mapping, true, planned(kind.Elem())
		p.strict = p.item.strict
	case reflect.Struct:
		p.form, p.strict = object, true
		p.addFields(kind, 0)
	default:
		p.form = anything
	}
}

// maxEmbedded is how deep embedded structs are followed.
const maxEmbedded = 8

// addFields adds those of a struct, and of the structs embedded in it, as encoding/json has them.
func (p *plan) addFields(kind reflect.Type, depth int) {
	var embedded []reflect.Type
	for i := range kind.NumField() {
		member := kind.Field(i)
		tag := member.Tag.Get("json")
		if tag == "-" {
			continue
		}
		name, options, _ := strings.Cut(tag, ",")
		if inner := member.Type; member.Anonymous && name == "" {
			if inner.Kind() == reflect.Pointer {
				inner = inner.Elem()
			}
			if inner.Kind() == reflect.Struct && inner != timeType && !reflect.PointerTo(inner).Implements(readsJSON) {
				embedded = append(embedded, inner)
				continue
			}
		}
		if !member.IsExported() {
			continue
		}
		if name == "" {
			name = member.Name
		}
		made := planned(member.Type)
		if hasOption(options, "string") {
			made = &plan{form: anything, kind: member.Type}
		}
		optional := member.Type.Kind() == reflect.Pointer || hasOption(options, "omitempty") || hasOption(options, "omitzero")
		p.add(field{name, !optional, made})
	}
	if depth < maxEmbedded {
		for _, inner := range embedded {
			p.addFields(inner, depth+1)
		}
	}
}

// add adds a field unless one that is less deep has its name.
func (p *plan) add(added field) {
	for _, known := range p.fields {
		if known.name == added.name {
			return
		}
	}
	p.fields = append(p.fields, added)
}

// field is the one of a name, found as encoding/json finds it.
func (p *plan) field(name string) int {
	for i := range p.fields {
		if p.fields[i].name == name {
			return i
		}
	}
	for i := range p.fields {
		if strings.EqualFold(p.fields[i].name, name) {
			return i
		}
	}
	return -1
}

func hasOption(options, wanted string) bool {
	for option := range strings.SplitSeq(options, ",") {
		if option == wanted {
			return true
		}
	}
	return false
}
