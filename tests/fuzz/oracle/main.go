// The oracle answers what the stock readers of the container world, which are Go's, see in some bytes.
//
// It reads requests from standard input until that ends: two frames each, the name of a format and the bytes, where a frame is a
// length of four bytes, the highest first, and as many bytes. To each it writes one frame with a JSON object: "seen" is what the
// reader saw, in the form that the harness writes for the readers of the project, or "refused" is why there is nothing to be seen.
package main

import (
	"bufio"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"os"
)

// frameBytesMax bounds what is taken from the harness, which sends less.
const frameBytesMax = 64 << 20

var readers = map[string]func([]byte) (any, error){
	"chart":    readChart,
	"gzip":     readGzip,
	"json":     readJSON,
	"manifest": readManifest,
	"metadata": readMetadata,
	"tar":      readTar,
	"values":   readValues,
	"yaml":     readYAML,
	"zip":      readZip,
}

func main() {
	// Helm tells of what it forgives.
	log.SetOutput(io.Discard)
	if err := serve(bufio.NewReader(os.Stdin), bufio.NewWriter(os.Stdout)); err != nil {
		fmt.Fprintln(os.Stderr, "oracle:", err)
		os.Exit(1)
	}
}

func serve(in *bufio.Reader, out *bufio.Writer) error {
	for {
		format, err := readFrame(in)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		content, err := readFrame(in)
		if err != nil {
			return err
		}
		answer, err := json.Marshal(answer(string(format), content))
		if err != nil {
			return err
		}
		if err := writeFrame(out, answer); err != nil {
			return err
		}
	}
}

// answer runs a reader. A reader that panics has refused, for whoever called it would have seen nothing either.
func answer(format string, content []byte) (result map[string]any) {
	defer func() {
		if reason := recover(); reason != nil {
			result = map[string]any{"refused": fmt.Sprint("panic: ", reason)}
		}
	}()
	read, known := readers[format]
	if !known {
		return map[string]any{"unknown": format}
	}
	seen, err := read(content)
	if err != nil {
		return map[string]any{"refused": err.Error()}
	}
	return map[string]any{"seen": seen}
}

func readFrame(in *bufio.Reader) ([]byte, error) {
	var length uint32
	if err := binary.Read(in, binary.BigEndian, &length); err != nil {
		return nil, err
	}
	if length > frameBytesMax {
		return nil, fmt.Errorf("a frame of %d bytes is too long", length)
	}
	frame := make([]byte, length)
	_, err := io.ReadFull(in, frame)
	return frame, err
}

func writeFrame(out *bufio.Writer, frame []byte) error {
	if err := binary.Write(out, binary.BigEndian, uint32(len(frame))); err != nil {
		return err
	}
	if _, err := out.Write(frame); err != nil {
		return err
	}
	return out.Flush()
}
