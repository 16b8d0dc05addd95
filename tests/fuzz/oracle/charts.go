package main

import (
	"bytes"
	"encoding/json"
	"sort"

	"helm.sh/helm/v4/pkg/chart/loader/archive"
	chart "helm.sh/helm/v4/pkg/chart/v2"
	"helm.sh/helm/v4/pkg/chart/v2/loader"
	"sigs.k8s.io/yaml"
)

// readYAML reads the first document, as everything does that calls Unmarshal.
func readYAML(content []byte) (any, error) {
	written, err := yaml.YAMLToJSON(content)
	if err != nil {
		return nil, err
	}
	var whole any
	if err := json.Unmarshal(written, &whole); err != nil {
		return nil, err
	}
	return plain(whole), nil
}

// readValues reads a file of values as Helm does: in parts, which it merges.
func readValues(content []byte) (any, error) {
	values, err := loader.LoadValues(bytes.NewReader(content))
	if err != nil {
		return nil, err
	}
	return members(values), nil
}

// readMetadata reads Chart.yaml alone, and judges it as Helm does before it looks at anything else.
func readMetadata(content []byte) (any, error) {
	var metadata chart.Metadata
	if err := yaml.Unmarshal(content, &metadata); err != nil {
		return nil, err
	}
	if metadata.APIVersion == "" {
		metadata.APIVersion = chart.APIVersionV1
	}
	// Judging cleans texts too.
	if err := metadata.Validate(); err != nil {
		return nil, err
	}
	return written(metadata)
}

// readChart reads a packaged chart: its files, what it says about itself, its values and the charts inside of it.
func readChart(content []byte) (any, error) {
	files, err := archive.LoadArchiveFiles(bytes.NewReader(content))
	if err != nil {
		return nil, err
	}
	loaded, err := loader.LoadFiles(files)
	if err != nil {
		return nil, err
	}
	metadata, err := written(loaded.Metadata)
	if err != nil {
		return nil, err
	}
	paths, charts := []string{}, []string{}
	for _, file := range files {
		paths = append(paths, text(file.Name))
	}
	for _, inner := range loaded.Dependencies() {
		charts = append(charts, inner.Metadata.Name+" "+inner.Metadata.Version)
	}
	sort.Strings(paths)
	sort.Strings(charts)
	return map[string]any{"files": paths, "metadata": metadata, "values": members(loaded.Values), "charts": charts}, nil
}

// members returns a map that may be none.
func members(values map[string]any) any {
	if values == nil {
		values = map[string]any{}
	}
	return plain(values)
}

// written returns a value as what reads its JSON sees it.
func written(value any) (any, error) {
	text, err := json.Marshal(value)
	if err != nil {
		return nil, err
	}
	var whole any
	if err := json.Unmarshal(text, &whole); err != nil {
		return nil, err
	}
	return plain(whole), nil
}
