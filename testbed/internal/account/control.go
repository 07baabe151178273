package account

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os"
)

// Control obeys the lines on in; each is answered by one line on out, so that a
// script knows when it is done. The end of input is no command.
func Control(in io.Reader, out io.Writer, reset func(), dump func() error) {
	lines := bufio.NewScanner(in)
	for lines.Scan() {
		switch lines.Text() {
		case "reset":
			reset()
			fmt.Fprintln(out, "reset done")
		case "dump":
			if err := dump(); err != nil {
				fmt.Fprintln(out, "dump failed:", err)
			} else {
				fmt.Fprintln(out, "dump done")
			}
		case "":
		default:
			fmt.Fprintf(out, "unknown command %q: reset, dump\n", lines.Text())
		}
	}
}

// Write puts v as JSON into file, or to stdout without one.
func Write(file string, v interface{}) error {
	b, err := json.MarshalIndent(v, "", " ")
	if err != nil {
		return err
	}
	b = append(b, '\n')
	if file == "" {
		_, err = os.Stdout.Write(b)
		return err
	}
	// Whoever waits for the file must never read half of it.
	if err := os.WriteFile(file+".part", b, 0o644); err != nil {
		return err
	}
	return os.Rename(file+".part", file)
}
