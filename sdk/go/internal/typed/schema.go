package typed

import (
	"fmt"
	"reflect"
)

// dialect is the version of JSON Schema.
const dialect = "https://json-schema.org/draft/2020-12/schema"

// schema is one, in the order in which it is written: [encoding/json] sorts a map's names.
type schema map[string]any

// Schema is the JSON Schema of what [Read] accepts for a type; nothing for types that accept anything.
func Schema[T any]() ([]byte, error) {
	root := planOf(reflect.TypeFor[T]())
	if root.form == anything {
		return nil, nil
	}
	made := maker{definitions: schema{}, names: map[reflect.Type]string{}}
	top := made.of(root)
	if reference, ok := top["$ref"].(string); ok && made.uses[reference] == 1 {
		// Nothing else names the outermost type: it is the schema itself.
		name := reference[len(prefix):]
		top, _ = made.definitions[name].(schema)
		delete(made.definitions, name)
	}
	whole := schema{"$schema": dialect}
	for name, value := range top {
		whole[name] = value
	}
	if len(made.definitions) > 0 {
		whole["$defs"] = made.definitions
	}
	return Write(whole)
}

const prefix = "#/$defs/"

// maker makes one schema; structs become its definitions.
type maker struct {
	definitions schema
	names       map[reflect.Type]string
	uses        map[string]int
}

func (m *maker) of(p *plan) schema {
	made := m.bare(p)
	if !p.nullable || p.form == anything {
		return made
	}
	if kind, ok := made["type"].(string); ok {
		made["type"] = []string{kind, "null"}
		return made
	}
	return schema{"anyOf": []schema{made, {"type": "null"}}}
}

func (m *maker) bare(p *plan) schema {
	switch p.form {
	case boolean:
		return schema{"type": "boolean"}
	case whole:
		if !p.signed {
			return schema{"type": "integer", "minimum": 0}
		}
		return schema{"type": "integer"}
	case number:
		return schema{"type": "number"}
	case text:
		return schema{"type": "string"}
	case moment:
		return schema{"type": "string", "format": "date-time"}
	case bytesText:
		return schema{"type": "string", "contentEncoding": "base64"}
	case array:
		made := schema{"type": "array", "items": m.of(p.item)}
		if p.length >= 0 {
			made["minItems"], made["maxItems"] = p.length, p.length
		}
		return made
	case mapping:
		return schema{"type": "object", "additionalProperties": m.of(p.item)}
	case pointed:
		return m.bare(p.item)
	case object:
		return m.object(p)
	default:
		return schema{}
	}
}

func (m *maker) object(p *plan) schema {
	name, known := m.names[p.kind]
	if !known {
		name = p.kind.Name()
		if _, taken := m.definitions[name]; taken || name == "" {
			name = fmt.Sprintf("%s%d", name, len(m.definitions)+1)
		}
		m.names[p.kind] = name
		// Here before it is made, for a struct that contains itself.
		made := schema{"type": "object"}
		m.definitions[name] = made
		if p.kind.Name() != "" {
			made["title"] = p.kind.Name()
		}
		properties, required := schema{}, []string{}
		for _, field := range p.fields {
			properties[field.name] = m.of(field.plan)
			if field.required {
				required = append(required, field.name)
			}
		}
		made["properties"] = properties
		if len(required) > 0 {
			made["required"] = required
		}
	}
	reference := prefix + name
	if m.uses == nil {
		m.uses = map[string]int{}
	}
	m.uses[reference]++
	return schema{"$ref": reference}
}
