package main

import (
	"encoding/json"
	"fmt"
	"math"
)

// known is what a client that knows four keys sees in an object. Each can hold anything.
type known struct {
	Name   *any `json:"name"`
	Kind   *any `json:"kind"`
	Layers *any `json:"layers"`
	Size   *any `json:"size"`
}

// readJSON reads a document twice: into whatever it is, and into an object of which four keys are known.
func readJSON(content []byte) (any, error) {
	var whole any
	if err := json.Unmarshal(content, &whole); err != nil {
		return nil, err
	}
	if _, isObject := whole.(map[string]any); !isObject {
		return map[string]any{"whole": plain(whole)}, nil
	}
	var object known
	if err := json.Unmarshal(content, &object); err != nil {
		return nil, err
	}
	seen := map[string]any{}
	for key, value := range map[string]*any{"name": object.Name, "kind": object.Kind, "layers": object.Layers, "size": object.Size} {
		if value != nil {
			seen[key] = plain(*value)
		}
	}
	return map[string]any{"whole": plain(whole), "known": seen}, nil
}

// plain writes numbers as the bits of their value, so that two texts of one number are equal and nothing is rounded on the way.
func plain(value any) any {
	switch value := value.(type) {
	case float64:
		return map[string]any{"number": fmt.Sprintf("%016x", math.Float64bits(value))}
	case []any:
		items := make([]any, len(value))
		for i, item := range value {
			items[i] = plain(item)
		}
		return items
	case map[string]any:
		members := map[string]any{}
		for key, member := range value {
			members["."+key] = plain(member)
		}
		return members
	default:
		return value
	}
}
