package main

import (
	"context"
	"fmt"
	"io"
	"strconv"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"gostall/testbed/grpc/api"
	"gostall/testbed/internal/account"
	"gostall/testbed/internal/doc"
	m "gostall/testbed/internal/marker"
)

type (
	text   = wrapperspb.StringValue
	blob   = wrapperspb.BytesValue
	method = *account.Endpoint
)

// unary methods take a text and give one.
var unary = []struct {
	name         string
	steps, after []account.Step
	do           func(context.Context, method, string) (string, error)
}{
	{"Plain", steps(m.Getpgid, 3, m.Times, 2), nil, plain},
	{"Other", steps(m.Getpgid, 5, m.Umask, 1), nil, plain},
	{"Delay", steps(m.Sysinfo, 2, m.SchedGetparam, 3), nil, delay},
	{"Children", steps(m.Getresuid, 1, m.Getresgid, 7, m.Getgroups, 11), nil, children},
	{"Deep", steps(m.Capget, 4, m.Getresuid, 2), nil, deep},
	{"Code", steps(m.Getrusage, 4), nil, code},
	{"Missing", steps(m.Getrusage, 3), nil, missing},
	{"Canceled", steps(m.MsyncEINVAL, 5), nil, canceled},
	{"Detach", steps(m.FlockEBADF, 3), steps(m.FlockEBADF, 5, m.TeeEBADF, 2), detach},
	{"Release", steps(m.DupEBADF, 2), nil, release},
}

// streams get the whole stream.
var streams = []struct {
	name  string
	steps []account.Step
	do    func(method, grpc.ServerStream) error
}{
	{"Download", steps(m.FstatfsOK, api.Pieces, m.StatfsOK, 1), download},
	{"Breaking", steps(m.FstatfsOK, 2), breaking},
	{"Endless", steps(m.FstatfsEBADF, 3), endless},
	{"Upload", steps(m.PreadvOK, api.Pieces, m.ReadlinkatOK, 2), upload},
	{"Impolite", steps(m.ReadlinkatENOENT, 5), impolite},
	{"Chat", steps(m.Pwrite64OK, api.Pieces, m.FchmodOK, 1), chat},
	{"Duplex", steps(m.Getsid, api.Pieces, m.Getpriority, api.Pieces), duplex},
}

func steps(pairs ...interface{}) []account.Step {
	var out []account.Step
	for i := 0; i < len(pairs); i += 2 {
		out = append(out, account.Step{Kind: pairs[i].(*m.Kind), N: pairs[i+1].(int)})
	}
	return out
}

func register(s *grpc.Server, b *account.Book) {
	add := func(name string, steps, after []account.Step) method {
		return b.Add(&account.Endpoint{Method: "POST", Route: api.Path(name), Protocol: "grpc", Steps: steps, After: after})
	}
	desc := &grpc.ServiceDesc{ServiceName: api.Service, HandlerType: (*interface{})(nil)}
	for _, u := range unary {
		e := add(u.name, u.steps, u.after)
		desc.Methods = append(desc.Methods, unaryDesc(u.name, func() *text { return new(text) }, func(ctx context.Context, in *text) (out *text, err error) {
			e.Run(func() (int, bool) {
				var answer string
				answer, err = u.do(ctx, e, in.Value)
				out = wrapperspb.String(answer)
				return outcome(ctx, err)
			})
			return out, err
		}))
	}
	recovered := add("Recovered", steps(m.MincoreEINVAL, 3), nil)
	desc.Methods = append(desc.Methods, unaryDesc("Recovered", func() *text { return new(text) }, func(context.Context, *text) (*text, error) {
		recovered.Run(func() (int, bool) {
			recovered.Marks()
			return int(codes.Internal), false // what the interceptor will make of it
		})
		panic("on purpose")
	}))
	large := add("Large", steps(m.StatfsOK, 2, m.FaccessatENOENT, 2), nil)
	desc.Methods = append(desc.Methods, unaryDesc("Large", func() *blob { return new(blob) }, func(ctx context.Context, in *blob) (out *blob, err error) {
		large.Run(func() (int, bool) {
			large.Marks()
			out = wrapperspb.Bytes(in.Value)
			return outcome(ctx, nil)
		})
		return out, nil
	}))
	for _, st := range streams {
		e := add(st.name, st.steps, nil)
		d := *api.Streams[st.name]
		d.Handler = func(_ interface{}, stream grpc.ServerStream) (err error) {
			e.Run(func() (int, bool) {
				err = st.do(e, stream)
				return outcome(stream.Context(), err)
			})
			return err
		}
		desc.Streams = append(desc.Streams, d)
	}
	unknown = b.Add(&account.Endpoint{Method: "POST", Route: doc.Unmatched, Pattern: api.Path("Nowhere"), Protocol: "grpc"})
	s.RegisterService(desc, nil)
	theBook = b
}

// unknown counts the calls of methods that there are not.
var unknown method

func notThere(interface{}, grpc.ServerStream) error {
	unknown.Run(func() (int, bool) { return int(codes.Unimplemented), false })
	return status.Error(codes.Unimplemented, "no such method")
}

// theBook knows of goroutines left behind.
var theBook *account.Book

// outcome is what the client sees: nothing, once it has cancelled the stream.
func outcome(ctx context.Context, err error) (int, bool) {
	if ctx.Err() != nil {
		return account.NoStatus, true
	}
	return int(status.Code(err)), false
}

// unaryDesc is what protoc-gen-go-grpc makes of a unary method.
func unaryDesc[In, Out any](name string, fresh func() In, do func(context.Context, In) (Out, error)) grpc.MethodDesc {
	return grpc.MethodDesc{MethodName: name, Handler: func(_ interface{}, ctx context.Context, dec func(interface{}) error, in grpc.UnaryServerInterceptor) (interface{}, error) {
		req := fresh()
		if err := dec(req); err != nil {
			return nil, err
		}
		info := &grpc.UnaryServerInfo{FullMethod: api.Path(name)}
		return in(ctx, req, info, func(ctx context.Context, req interface{}) (interface{}, error) {
			return do(ctx, req.(In))
		})
	}}
}

// recovering is the interceptor that most servers have. One that lacks it ends
// with the first panic, be its transport net/http or not: grpc starts a goroutine
// per stream, which nobody else guards.
func recovering(ctx context.Context, req interface{}, _ *grpc.UnaryServerInfo, h grpc.UnaryHandler) (out interface{}, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = status.Errorf(codes.Internal, "panic: %v", p)
		}
	}()
	return h(ctx, req)
}

func plain(_ context.Context, e method, in string) (string, error) {
	e.Marks()
	return in, nil
}

func delay(_ context.Context, e method, in string) (string, error) {
	e.Mark(0)
	time.Sleep(2 * time.Millisecond)
	e.Mark(1)
	return in, nil
}

// children marks in the handler and in two children at once.
func children(_ context.Context, e method, in string) (string, error) {
	var wg sync.WaitGroup
	for i := 1; i <= 2; i++ {
		wg.Add(1)
		go func() {
			defer wg.Done()
			e.Mark(i)
		}()
	}
	e.Mark(0)
	wg.Wait()
	return in, nil
}

// deep is a chain of goroutines, each the child of the one before.
func deep(_ context.Context, e method, in string) (string, error) {
	done := make(chan struct{})
	var descend func(int)
	descend = func(levels int) {
		if levels == 0 {
			e.Mark(1)
			close(done)
			return
		}
		e.Once(0)
		go descend(levels - 1)
	}
	descend(e.Steps[0].N)
	<-done
	return in, nil
}

// code ends with the grpc-status that the caller names.
func code(_ context.Context, e method, in string) (string, error) {
	e.Marks()
	n, err := strconv.Atoi(in)
	if err != nil {
		return "", err
	}
	if n == 0 {
		return in, nil
	}
	return "", status.Error(codes.Code(n), "as you wish: 100% \u00e9") // grpc-message is percent-encoded
}

func missing(_ context.Context, e method, in string) (string, error) {
	e.Marks()
	return "", status.Error(codes.NotFound, in)
}

// canceled waits for its caller to give up, who does so when the header has told
// him that the call has arrived.
func canceled(ctx context.Context, e method, _ string) (string, error) {
	e.Marks()
	if err := grpc.SendHeader(ctx, nil); err != nil {
		return "", err
	}
	select {
	case <-ctx.Done():
	case <-time.After(10 * time.Second):
	}
	return "", ctx.Err()
}

// left are the goroutines of Detach that wait for their Release.
var left sync.Map // id -> chan struct{}

// detach leaves a goroutine behind, until its caller, who has the whole answer,
// says that the request is over: grpc itself tells no handler when its status is
// written.
func detach(_ context.Context, e method, in string) (string, error) {
	over, during := make(chan struct{}), make(chan struct{})
	left.Store(in, over)
	theBook.Pending.Add(1)
	go func() {
		defer theBook.Pending.Add(-1)
		e.Mark(0)
		close(during)
		<-over
		time.Sleep(5 * time.Millisecond) // the server's last write may return after the client has read
		e.Afterwards(0)
		child := make(chan struct{})
		go func() {
			defer close(child)
			e.Afterwards(1)
		}()
		<-child
	}()
	<-during
	return in, nil
}

func release(_ context.Context, e method, in string) (string, error) {
	e.Marks()
	over, ok := left.LoadAndDelete(in)
	if !ok {
		return "", status.Error(codes.NotFound, in)
	}
	close(over.(chan struct{}))
	return in, nil
}

func download(e method, s grpc.ServerStream) error {
	var in text
	if err := s.RecvMsg(&in); err != nil {
		return err
	}
	for i := 0; i < api.Pieces; i++ {
		e.Once(0)
		if err := s.SendMsg(wrapperspb.String(fmt.Sprint(in.Value, i))); err != nil {
			return err
		}
	}
	e.Mark(1)
	return nil
}

// breaking fails when the client already has messages.
func breaking(e method, s grpc.ServerStream) error {
	var in text
	if err := s.RecvMsg(&in); err != nil {
		return err
	}
	for i := 0; i < e.Steps[0].N; i++ {
		e.Once(0)
		if err := s.SendMsg(&in); err != nil {
			return err
		}
	}
	return status.Error(codes.Unavailable, "no more")
}

// endless sends until the client has gone, which it does in the middle.
func endless(e method, s grpc.ServerStream) error {
	e.Marks()
	piece := wrapperspb.String(string(make([]byte, 8<<10)))
	for end := time.Now().Add(10 * time.Second); time.Now().Before(end); {
		if err := s.SendMsg(piece); err != nil {
			<-s.Context().Done() // SendMsg may know before the context does
			return err
		}
	}
	return nil
}

func upload(e method, s grpc.ServerStream) error {
	n := 0
	for {
		var in text
		err := s.RecvMsg(&in)
		if err == io.EOF {
			break
		}
		if err != nil {
			return err
		}
		e.Once(0)
		n += len(in.Value)
	}
	e.Mark(1)
	return s.SendMsg(wrapperspb.String(fmt.Sprint(n)))
}

// impolite fails after the first message, while the client goes on sending.
func impolite(e method, s grpc.ServerStream) error {
	var in text
	if err := s.RecvMsg(&in); err != nil {
		return err
	}
	e.Marks()
	return status.Error(codes.InvalidArgument, "enough")
}

// chat answers each message.
func chat(e method, s grpc.ServerStream) error {
	for {
		var in text
		err := s.RecvMsg(&in)
		if err == io.EOF {
			e.Mark(1)
			return nil
		}
		if err != nil {
			return err
		}
		e.Once(0)
		if err := s.SendMsg(&in); err != nil {
			return err
		}
	}
}

// duplex receives in the handler and sends in a child, each at its own pace.
func duplex(e method, s grpc.ServerStream) error {
	sent := make(chan error, 1)
	go func() {
		for i := 0; i < api.Pieces; i++ {
			e.Once(1)
			if err := s.SendMsg(wrapperspb.String(fmt.Sprint(i))); err != nil {
				sent <- err
				return
			}
			time.Sleep(time.Millisecond)
		}
		sent <- nil
	}()
	for {
		var in text
		err := s.RecvMsg(&in)
		if err == io.EOF {
			return <-sent
		}
		if err != nil {
			return err
		}
		e.Once(0)
	}
}
