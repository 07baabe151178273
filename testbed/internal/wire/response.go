package wire

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
)

// Response is one final response with its body read to the end.
type Response struct {
	Status  int
	Header  map[string]string // names in lower case; the last of several wins
	Body    []byte
	Interim []int // the 1xx statuses that came before, 101 excepted
	Close   bool  // the server will not take another request here
}

// errMalformed marks bytes that are no HTTP/1 response.
var errMalformed = errors.New("malformed response")

// Read reads one response to a request of the given method, interim responses
// included. The method matters: a response to HEAD has no body.
func (c *Conn) Read(method string) (*Response, error) {
	resp, err := c.ReadHead()
	if err != nil {
		return nil, err
	}
	return resp, c.ReadBody(method, resp)
}

// ReadHead reads up to the end of the final response's header.
func (c *Conn) ReadHead() (*Response, error) {
	var interim []int
	for {
		resp, err := readHead(c.r)
		if err != nil {
			return nil, err
		}
		if resp.Status >= 200 || resp.Status == 101 {
			resp.Interim = interim
			return resp, nil
		}
		interim = append(interim, resp.Status)
	}
}

// ReadInterim reads one header of any kind, such as the 100 that an Expect waits for.
func (c *Conn) ReadInterim() (int, error) {
	resp, err := readHead(c.r)
	if err != nil {
		return 0, err
	}
	return resp.Status, nil
}

func readHead(r *bufio.Reader) (*Response, error) {
	line, err := readLine(r)
	if err != nil {
		return nil, err
	}
	if !strings.HasPrefix(line, "HTTP/1.") || len(line) < 12 {
		return nil, fmt.Errorf("%w: status line %q", errMalformed, line)
	}
	status, err := strconv.Atoi(line[9:12])
	if err != nil {
		return nil, fmt.Errorf("%w: status line %q", errMalformed, line)
	}
	resp := &Response{Status: status, Header: make(map[string]string, 8)}
	for {
		h, err := readLine(r)
		if err != nil {
			return nil, unexpected(err)
		}
		if h == "" {
			break
		}
		i := strings.IndexByte(h, ':')
		if i < 0 {
			return nil, fmt.Errorf("%w: header %q", errMalformed, h)
		}
		resp.Header[strings.ToLower(h[:i])] = strings.TrimSpace(h[i+1:])
	}
	conn := strings.ToLower(resp.Header["connection"])
	resp.Close = conn == "close" || (strings.HasPrefix(line, "HTTP/1.0") && conn != "keep-alive")
	return resp, nil
}

// ReadBody reads what follows a header that ReadHead gave.
func (c *Conn) ReadBody(method string, resp *Response) error {
	if method == "HEAD" || resp.Status < 200 || resp.Status == 204 || resp.Status == 304 {
		return nil
	}
	if strings.EqualFold(resp.Header["transfer-encoding"], "chunked") {
		return c.readChunked(resp)
	}
	if cl, ok := resp.Header["content-length"]; ok {
		n, err := strconv.Atoi(cl)
		if err != nil || n < 0 {
			return fmt.Errorf("%w: Content-Length %q", errMalformed, cl)
		}
		resp.Body = make([]byte, n)
		_, err = io.ReadFull(c.r, resp.Body)
		return unexpected(err)
	}
	var err error
	resp.Close = true
	resp.Body, err = io.ReadAll(c.r)
	return err
}

func (c *Conn) readChunked(resp *Response) error {
	for {
		line, err := readLine(c.r)
		if err != nil {
			return unexpected(err)
		}
		if i := strings.IndexByte(line, ';'); i >= 0 {
			line = line[:i]
		}
		size, err := strconv.ParseInt(line, 16, 31)
		if err != nil {
			return fmt.Errorf("%w: chunk size %q", errMalformed, line)
		}
		if size > 0 {
			at := len(resp.Body)
			resp.Body = append(resp.Body, make([]byte, size)...)
			if _, err := io.ReadFull(c.r, resp.Body[at:]); err != nil {
				return unexpected(err)
			}
		}
		// A chunk's own CRLF; after the last chunk, trailers up to the empty line.
		for {
			line, err := readLine(c.r)
			if err != nil {
				return unexpected(err)
			}
			if line == "" {
				break
			}
			if size > 0 {
				return fmt.Errorf("%w: no CRLF after a chunk", errMalformed)
			}
		}
		if size == 0 {
			return nil
		}
	}
}

func readLine(r *bufio.Reader) (string, error) {
	line, err := r.ReadString('\n')
	if err != nil {
		if line != "" {
			err = unexpected(err)
		}
		return "", err
	}
	return strings.TrimRight(line, "\r\n"), nil
}

// unexpected turns the end of the stream inside a response into an error that
// differs from a clean end before it.
func unexpected(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}
