package main

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"encoding/hex"
	"errors"
	"io"
	"io/fs"
	"sort"
	"strings"
)

// entry is one file, folder or link of an archive.
type entry struct {
	Path    string `json:"path"`
	Kind    string `json:"kind"`
	Link    string `json:"link"`
	Content string `json:"content"`
}

func readGzip(content []byte) (any, error) {
	reader, err := gzip.NewReader(bytes.NewReader(content))
	if err != nil {
		return nil, err
	}
	unpacked, err := io.ReadAll(reader)
	if err != nil {
		return nil, err
	}
	return hex.EncodeToString(unpacked), nil
}

func readTar(content []byte) (any, error) {
	entries := []entry{}
	reader := tar.NewReader(bytes.NewReader(content))
	for {
		header, err := reader.Next()
		if errors.Is(err, io.EOF) {
			return entries, nil
		}
		if err != nil {
			return nil, err
		}
		unpacked, err := io.ReadAll(reader)
		if err != nil {
			return nil, err
		}
		// A global header is an entry for Go; its users skip it.
		if header.Typeflag == tar.TypeXGlobalHeader {
			continue
		}
		seen := entry{Path: text(header.Name), Kind: tarKind(header)}
		switch seen.Kind {
		case "file":
			seen.Content = hex.EncodeToString(unpacked)
		case "symlink", "hardlink":
			seen.Link = text(header.Linkname)
		}
		entries = append(entries, seen)
	}
}

// tarKind tells entries apart as users of Go's reader do: they ask the mode for folders first.
func tarKind(header *tar.Header) string {
	switch {
	case header.FileInfo().IsDir():
		return "directory"
	case header.Typeflag == tar.TypeReg, header.Typeflag == tar.TypeCont:
		return "file"
	case header.Typeflag == tar.TypeSymlink:
		return "symlink"
	case header.Typeflag == tar.TypeLink:
		return "hardlink"
	default:
		return "other"
	}
}

func readZip(content []byte) (any, error) {
	reader, err := zip.NewReader(bytes.NewReader(content), int64(len(content)))
	if err != nil {
		return nil, err
	}
	entries := []entry{}
	for _, file := range reader.File {
		opened, err := file.Open()
		if err != nil {
			return nil, err
		}
		unpacked, err := io.ReadAll(opened)
		if err != nil {
			return nil, err
		}
		seen := entry{Path: text(file.Name), Kind: zipKind(file)}
		if seen.Kind != "directory" {
			seen.Content = hex.EncodeToString(unpacked)
		}
		entries = append(entries, seen)
	}
	// The order of the directory means nothing: no name is there twice in what the project's reader accepts.
	sort.SliceStable(entries, func(i, j int) bool { return entries[i].Path < entries[j].Path })
	return entries, nil
}

func zipKind(file *zip.File) string {
	switch mode := file.Mode(); {
	case mode.IsDir():
		return "directory"
	case mode&fs.ModeSymlink != 0:
		return "symlink"
	case mode.IsRegular():
		return "file"
	default:
		return "other"
	}
}

// text replaces what is not UTF-8, a run of it by one mark, since readers count the marks of a run differently.
func text(name string) string {
	const mark = "\uFFFD"
	valid := strings.ToValidUTF8(name, mark)
	for strings.Contains(valid, mark+mark) {
		valid = strings.ReplaceAll(valid, mark+mark, mark)
	}
	return valid
}
