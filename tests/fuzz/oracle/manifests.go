package main

import (
	"encoding/json"
	"strconv"
)

// descriptor has the members that the image specification gives a descriptor. What clients look into no further is left as it is.
type descriptor struct {
	MediaType    string            `json:"mediaType"`
	Digest       string            `json:"digest"`
	Size         int64             `json:"size"`
	ArtifactType string            `json:"artifactType"`
	Annotations  map[string]string `json:"annotations"`
	URLs         any               `json:"urls"`
	Data         any               `json:"data"`
	Platform     json.RawMessage   `json:"platform"`
}

type platform struct {
	Architecture any `json:"architecture"`
	OS           any `json:"os"`
	Variant      any `json:"variant"`
	OSVersion    any `json:"os.version"`
	OSFeatures   any `json:"os.features"`
}

// manifest has the members of an image manifest and of an index: a client knows by the media type which of them count.
type manifest struct {
	SchemaVersion int               `json:"schemaVersion"`
	MediaType     string            `json:"mediaType"`
	ArtifactType  string            `json:"artifactType"`
	Config        *descriptor       `json:"config"`
	Layers        []descriptor      `json:"layers"`
	Manifests     []descriptor      `json:"manifests"`
	Subject       *descriptor       `json:"subject"`
	Annotations   map[string]string `json:"annotations"`
}

func readManifest(content []byte) (any, error) {
	var read manifest
	if err := json.Unmarshal(content, &read); err != nil {
		return nil, err
	}
	return map[string]any{
		"artifactType": read.ArtifactType,
		"config":       read.Config.seen(),
		"layers":       seenAll(read.Layers),
		"manifests":    seenAll(read.Manifests),
		"subject":      read.Subject.seen(),
		"annotations":  texts(read.Annotations),
	}, nil
}

func (d *descriptor) seen() any {
	if d == nil {
		return nil
	}
	return map[string]any{
		"mediaType":    d.MediaType,
		"digest":       d.Digest,
		"size":         strconv.FormatInt(d.Size, 10),
		"artifactType": d.ArtifactType,
		"annotations":  texts(d.Annotations),
		"urls":         plain(d.URLs),
		"data":         plain(d.Data),
		"platform":     seenPlatform(d.Platform),
	}
}

func seenAll(descriptors []descriptor) []any {
	seen := []any{}
	for i := range descriptors {
		seen = append(seen, descriptors[i].seen())
	}
	return seen
}

// seenPlatform is what a client sees in a platform that is an object; others are left as they are.
func seenPlatform(raw json.RawMessage) any {
	if len(raw) == 0 {
		return nil
	}
	var whole any
	if err := json.Unmarshal(raw, &whole); err != nil {
		return err.Error()
	}
	if _, isObject := whole.(map[string]any); !isObject {
		return plain(whole)
	}
	var read platform
	if err := json.Unmarshal(raw, &read); err != nil {
		return err.Error()
	}
	return map[string]any{
		"architecture": plain(read.Architecture),
		"os":           plain(read.OS),
		"variant":      plain(read.Variant),
		"os.version":   plain(read.OSVersion),
		"os.features":  plain(read.OSFeatures),
	}
}

func texts(annotations map[string]string) map[string]string {
	if annotations == nil {
		return map[string]string{}
	}
	return annotations
}
