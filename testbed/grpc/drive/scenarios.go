package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"gostall/testbed/grpc/api"
	"gostall/testbed/internal/account"
	"gostall/testbed/internal/doc"
)

type text = wrapperspb.StringValue

// patience bounds every call, and so puts grpc-timeout into each.
const patience = 20 * time.Second

type client struct {
	conn *grpc.ClientConn
	sent *account.Sent
}

var scenarios = []struct {
	name  string
	share int // divides -n
	unit  func(*client, string) error
}{
	{"unary", 1, all("Plain", "Other", "Delay", "Plain")},
	{"children", 1, all("Children", "Deep")},
	{"codes", 1, codesOf},
	{"cancel", 4, cancel},
	{"detach", 2, all("Detach", "Release")},
	{"large", 4, large},
	{"download", 1, download},
	{"upload", 1, upload},
	{"chat", 1, chat},
	{"duplex", 2, duplex},
	{"unknown", 4, unknown},
}

// note counts a call that has ended as err says.
func (c *client) note(method string, err error, aborted bool, start time.Time) {
	s := doc.Sent{Method: "POST", Route: api.Path(method), Protocol: "grpc"}
	if !aborted {
		s.Status = int(status.Code(err))
	}
	c.sent.Note(s, aborted, time.Since(start))
}

// ask makes a unary call which must end with this code.
func (c *client) ask(method, in string, want codes.Code) error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	start := time.Now()
	var out text
	err := c.conn.Invoke(ctx, api.Path(method), wrapperspb.String(in), &out)
	c.note(method, err, false, start)
	if got := status.Code(err); got != want {
		return fmt.Errorf("%s: %v instead of %v: %v", method, got, want, err)
	}
	if err == nil && out.Value != in {
		return fmt.Errorf("%s: answer %q to %q", method, out.Value, in)
	}
	return nil
}

// all makes one call of each method.
func all(methods ...string) func(*client, string) error {
	return func(c *client, id string) error {
		for _, m := range methods {
			if err := c.ask(m, id, codes.OK); err != nil {
				return err
			}
		}
		return nil
	}
}

func codesOf(c *client, id string) error {
	for n := codes.OK; n <= codes.Unauthenticated; n++ {
		if err := c.ask("Code", fmt.Sprint(uint32(n)), n); err != nil {
			return err
		}
	}
	if err := c.ask("Missing", id, codes.NotFound); err != nil {
		return err
	}
	return c.ask("Recovered", id, codes.Internal)
}

// unknown is a method that the service does not have.
func unknown(c *client, id string) error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	start := time.Now()
	err := c.conn.Invoke(ctx, api.Path("Nowhere"), wrapperspb.String(id), new(text))
	c.sent.Note(doc.Sent{Method: "POST", Route: doc.Unmatched, Protocol: "grpc", Status: int(codes.Unimplemented)}, false, time.Since(start))
	if status.Code(err) != codes.Unimplemented {
		return fmt.Errorf("Nowhere: %v", err)
	}
	return nil
}

// cancel gives calls up: a unary one that waits, a stream in the middle.
func cancel(c *client, id string) error {
	ctx, giveUp := context.WithTimeout(context.Background(), patience)
	defer giveUp()
	start := time.Now()
	// As a stream, for only that gives the header before the answer.
	waiting, err := c.conn.NewStream(ctx, &grpc.StreamDesc{ServerStreams: true}, api.Path("Canceled"))
	if err != nil {
		return err
	}
	if err := half(waiting, id); err != nil {
		return err
	}
	if _, err := waiting.Header(); err != nil {
		return fmt.Errorf("Canceled: %w", err)
	}
	giveUp()
	c.note("Canceled", nil, true, start)
	if err := waiting.RecvMsg(new(text)); status.Code(err) != codes.Canceled {
		return fmt.Errorf("Canceled: %v", err)
	}
	ctx, giveUp = context.WithTimeout(context.Background(), patience)
	defer giveUp()
	s, err := c.open(ctx, "Endless")
	if err != nil {
		return err
	}
	if err := half(s, id); err != nil {
		return err
	}
	for i := 0; i < 5; i++ {
		if err := s.RecvMsg(new(text)); err != nil {
			return fmt.Errorf("Endless: %w", err)
		}
	}
	giveUp()
	c.note("Endless", nil, true, start)
	return nil
}

func large(c *client, _ string) error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	start := time.Now()
	in, out := wrapperspb.Bytes(bytes.Repeat([]byte("L"), api.LargeBody)), new(wrapperspb.BytesValue)
	err := c.conn.Invoke(ctx, api.Path("Large"), in, out)
	c.note("Large", err, false, start)
	if err != nil || !bytes.Equal(in.Value, out.Value) {
		return fmt.Errorf("Large: %d bytes, %v", len(out.Value), err)
	}
	return nil
}

func (c *client) open(ctx context.Context, method string) (grpc.ClientStream, error) {
	return c.conn.NewStream(ctx, api.Streams[method], api.Path(method))
}

// half sends the one message of a server's stream.
func half(s grpc.ClientStream, in string) error {
	if err := s.SendMsg(wrapperspb.String(in)); err != nil {
		return err
	}
	return s.CloseSend()
}

// drain reads to the end and tells how many messages came.
func drain(s grpc.ClientStream) (int, error) {
	for n := 0; ; n++ {
		if err := s.RecvMsg(new(text)); err == io.EOF {
			return n, nil
		} else if err != nil {
			return n, err
		}
	}
}

func download(c *client, id string) error {
	for _, m := range []struct {
		name   string
		pieces int
		code   codes.Code
	}{{"Download", api.Pieces, codes.OK}, {"Breaking", 2, codes.Unavailable}} {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		start := time.Now()
		s, err := c.open(ctx, m.name)
		if err == nil {
			err = half(s, id)
		}
		if err != nil {
			cancel()
			return fmt.Errorf("%s: %w", m.name, err)
		}
		n, err := drain(s)
		cancel()
		c.note(m.name, err, false, start)
		if n != m.pieces || status.Code(err) != m.code {
			return fmt.Errorf("%s: %d messages, %v", m.name, n, err)
		}
	}
	return nil
}

func upload(c *client, id string) error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	start := time.Now()
	s, err := c.open(ctx, "Upload")
	if err != nil {
		return err
	}
	for i := 0; i < api.Pieces; i++ {
		if err := s.SendMsg(wrapperspb.String("four")); err != nil {
			return err
		}
		if i == 2 {
			time.Sleep(2 * time.Millisecond)
		}
	}
	s.CloseSend()
	var out text
	err = s.RecvMsg(&out)
	if err == nil {
		if err = s.RecvMsg(new(text)); err == io.EOF {
			err = nil
		}
	}
	c.note("Upload", err, false, start)
	if err != nil || out.Value != fmt.Sprint(4*api.Pieces) {
		return fmt.Errorf("Upload: %q, %v", out.Value, err)
	}

	start = time.Now()
	if s, err = c.open(ctx, "Impolite"); err != nil {
		return err
	}
	for i := 0; i < 100; i++ {
		if s.SendMsg(wrapperspb.String(id)) != nil {
			break
		}
	}
	err = s.RecvMsg(new(text))
	c.note("Impolite", err, false, start)
	if status.Code(err) != codes.InvalidArgument {
		return fmt.Errorf("Impolite: %v", err)
	}
	return nil
}

// chat sends the next message when the last is answered.
func chat(c *client, id string) error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	start := time.Now()
	s, err := c.open(ctx, "Chat")
	if err != nil {
		return err
	}
	for i := 0; i < api.Pieces; i++ {
		if err := s.SendMsg(wrapperspb.String(id)); err != nil {
			return err
		}
		if err := s.RecvMsg(new(text)); err != nil {
			return fmt.Errorf("Chat: %w", err)
		}
	}
	s.CloseSend()
	n, err := drain(s)
	c.note("Chat", err, false, start)
	if n != 0 || err != nil {
		return fmt.Errorf("Chat: %d messages more, %v", n, err)
	}
	return nil
}

// duplex sends and receives at once.
func duplex(c *client, id string) error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	start := time.Now()
	s, err := c.open(ctx, "Duplex")
	if err != nil {
		return err
	}
	go func() {
		for i := 0; i < api.Pieces; i++ {
			s.SendMsg(wrapperspb.String(id))
			time.Sleep(700 * time.Microsecond)
		}
		s.CloseSend()
	}()
	n, err := drain(s)
	c.note("Duplex", err, false, start)
	if n != api.Pieces || err != nil {
		return fmt.Errorf("Duplex: %d messages, %v", n, err)
	}
	return nil
}
