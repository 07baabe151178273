// Command server is the truth behind the routers of many frameworks: the same
// routes in each, every handler making marker syscalls and counting them.
package main

import (
	"context"
	"flag"
	"log"
	"net"
	"net/http"
	"strings"

	"gostall/testbed/internal/account"
	"gostall/testbed/internal/doc"
	"gostall/testbed/internal/marker"
	"gostall/testbed/internal/selfsigned"
	"gostall/testbed/routers/routes"
)

func main() {
	addr := flag.String("addr", "127.0.0.1:8083", "TCP address to listen on")
	framework := flag.String("framework", "mux", strings.Join(routes.Frameworks, ", "))
	file := flag.String("truth", "", "where dump writes the truth; stdout if empty")
	tmp := flag.String("tmp", "", "directory for temporary files; the system's if empty")
	middleware := flag.Int("middleware", 0, "layers of middleware that copy the request before the router (net/http only)")
	secure := flag.Bool("tls", false, "serve TLS with a certificate of its own making: http/1.1, and h2 by net/http")
	flag.Parse()
	if err := run(*addr, *framework, *file, *tmp, *middleware, *secure); err != nil {
		log.Fatal("server: ", err)
	}
}

func run(addr, framework, file, tmp string, middleware int, secure bool) error {
	if err := marker.Setup(tmp); err != nil {
		return err
	}
	defer marker.Cleanup()
	s := newSite(framework)
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return err
	}
	config, err := selfsigned.Server("h2", "http/1.1")
	if err != nil {
		return err
	}
	if fast, ok := s.fast(); ok {
		config.NextProtos = []string{"http/1.1"}
		if secure {
			l = tlsListener(l, config)
		}
		go fast(l)
		return s.book.Serve(l.Addr().String(), file)
	}
	h, err := s.handler()
	if err != nil {
		return err
	}
	for i := 0; i < middleware; i++ {
		h = copying(h)
	}
	srv := &http.Server{Handler: h, TLSConfig: config}
	if secure {
		go srv.ServeTLS(l, "", "")
	} else {
		go srv.Serve(l)
	}
	return s.book.Serve(l.Addr().String(), file)
}

// site is the routes of one framework with their accounts.
type site struct {
	framework string
	book      *account.Book
	routes    []*route
	unmatched map[string]*account.Endpoint // by method
}

type route struct {
	*routes.Route
	ep *account.Endpoint
}

func newSite(framework string) *site {
	s := &site{framework: framework, book: account.NewBook(framework), unmatched: map[string]*account.Endpoint{}}
	kinds := []*marker.Kind{marker.Getpgid, marker.Times, marker.Getsid, marker.Getppid, marker.Sysinfo, marker.Getrusage, marker.Geteuid}
	for i, r := range routes.Of(framework) {
		// No two routes make the same markers in the same numbers.
		ep := &account.Endpoint{Method: r.Method, Route: r.Endpoint(), Steps: []account.Step{
			{Kind: kinds[i%len(kinds)], N: 2 + i/len(kinds)}, {Kind: marker.GetcwdOK, N: 1 + i},
		}}
		if r.Host != "" {
			ep.Pattern = r.Host + r.Template
		}
		s.routes = append(s.routes, &route{r, s.book.Add(ep)})
	}
	for _, m := range []string{"GET", "POST", "PUT"} {
		s.unmatched[m] = s.book.Add(&account.Endpoint{Method: m, Route: doc.Unmatched})
	}
	return s
}

// serve is the route's handler: what it answers.
func (r *route) serve(answer func(status int, body string)) {
	r.ep.Run(func() (int, bool) {
		r.ep.Marks()
		answer(r.Status, r.Body())
		return r.Status, false
	})
}

// ServeHTTP makes the route a handler of net/http.
func (r *route) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	r.serve(func(status int, body string) {
		w.WriteHeader(status)
		w.Write([]byte(body))
	})
}

// none counts and answers what the router matched to nothing.
func (s *site) none(method string, status int) {
	s.unmatched[method].Run(func() (int, bool) { return status, false })
}

func (s *site) noneHTTP(status int) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		s.none(r.Method, status)
		http.Error(w, http.StatusText(status), status)
	}
}

type layerKey struct{}

// copying is middleware as many servers have it.
func copying(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), layerKey{}, true)))
	})
}
