package main

import (
	"fmt"
	"net/http"
	"regexp"
	"strings"

	"github.com/gin-gonic/gin"
	"github.com/go-chi/chi/v5"
	"github.com/gorilla/mux"
	"github.com/julienschmidt/httprouter"
	"github.com/labstack/echo/v4"
)

// handler is the framework's router with all routes. The group /api/v1 has
// middleware of the framework's own kind that copies the request.
func (s *site) handler() (http.Handler, error) {
	switch s.framework {
	case "mux":
		return s.serveMux(false), nil
	case "mux-nested":
		return s.serveMux(true), nil
	case "gin":
		return s.gin(), nil
	case "chi":
		return s.chi(), nil
	case "echo":
		return s.echo(), nil
	case "gorilla":
		return s.gorilla(), nil
	case "httprouter":
		return s.httprouter(), nil
	}
	return nil, fmt.Errorf("no framework %q", s.framework)
}

var (
	rest  = regexp.MustCompile(`\{(\w+)\.\.\.\}`)
	whole = regexp.MustCompile(`\{(\w+)\}`)
)

// translate writes a template in another router's language: $1 is the name.
func translate(template, catchAll, placeholder string) string {
	return whole.ReplaceAllString(rest.ReplaceAllString(template, catchAll), placeholder)
}

// inGroup is the template below its group's prefix.
func (r *route) inGroup() string { return strings.TrimPrefix(r.Template, r.Group) }

// grouped are the routes of one group; "" are those of none.
func (s *site) grouped(group string) []*route {
	var out []*route
	for _, r := range s.routes {
		if r.Group == group {
			out = append(out, r)
		}
	}
	return out
}

func muxPattern(r *route, template string) string {
	if strings.HasSuffix(template, "/") {
		template += "{$}"
	}
	return r.Method + " " + r.Host + template
}

// checked answers by itself what a ServeMux has no pattern for.
type checked struct {
	*http.ServeMux
	site *site
}

func (c checked) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if _, pattern := c.Handler(r); pattern != "" {
		c.ServeMux.ServeHTTP(w, r)
		return
	}
	// ServeMux decides between 404 and 405, and shall say it itself.
	c.ServeMux.ServeHTTP(&counting{w, c.site, r.Method}, r)
}

// counting counts a response of the router's own by its status.
type counting struct {
	http.ResponseWriter
	site   *site
	method string
}

func (c *counting) WriteHeader(status int) {
	c.site.none(c.method, status)
	c.ResponseWriter.WriteHeader(status)
}

func (s *site) serveMux(nested bool) http.Handler {
	m := http.NewServeMux()
	for _, r := range s.routes {
		var h http.Handler = r
		if r.Group == "/api/v1" {
			h = copying(r)
		}
		if !nested || r.Group == "" {
			m.Handle(muxPattern(r, r.Template), h)
		}
	}
	for _, group := range []string{"/api/v1", "/api/v2"} {
		if !nested {
			break
		}
		sub := http.NewServeMux()
		for _, r := range s.grouped(group) {
			sub.Handle(muxPattern(r, r.inGroup()), r)
		}
		m.Handle(group+"/", copying(http.StripPrefix(group, checked{sub, s})))
	}
	return checked{m, s}
}

func (s *site) gin() http.Handler {
	gin.SetMode(gin.ReleaseMode)
	g := gin.New()
	g.HandleMethodNotAllowed = true
	g.RedirectTrailingSlash = false
	none := func(status int) gin.HandlerFunc {
		return func(c *gin.Context) {
			s.none(c.Request.Method, status)
			c.String(status, "")
		}
	}
	g.NoRoute(none(404))
	g.NoMethod(none(405))
	groups := map[string]*gin.RouterGroup{"": &g.RouterGroup, "/api/v1": g.Group("/api/v1", func(c *gin.Context) {
		c.Request = c.Request.WithContext(c)
		c.Next()
	}), "/api/v2": g.Group("/api/v2")}
	for _, r := range s.routes {
		groups[r.Group].Handle(r.Method, translate(r.inGroup(), "*$1", ":$1"), func(c *gin.Context) {
			r.serve(func(status int, body string) { c.String(status, "%s", body) })
		})
	}
	return g
}

func (s *site) chi() http.Handler {
	root := chi.NewRouter()
	root.NotFound(s.noneHTTP(404))
	root.MethodNotAllowed(s.noneHTTP(405))
	add := func(to chi.Router, group string) {
		for _, r := range s.grouped(group) {
			template := rest.ReplaceAllString(r.inGroup(), "*")
			if r.Template == "/orders/{id}" {
				template = "/orders/{id:[0-9]+}"
			}
			to.Method(r.Method, template, r)
		}
	}
	add(root, "")
	root.Route("/api/v1", func(to chi.Router) {
		to.Use(copying)
		add(to, "/api/v1")
	})
	sub := chi.NewRouter()
	add(sub, "/api/v2")
	root.Mount("/api/v2", sub)
	return root
}

func (s *site) echo() http.Handler {
	e := echo.New()
	e.HTTPErrorHandler = func(err error, c echo.Context) {
		status := 500
		if he, ok := err.(*echo.HTTPError); ok {
			status = he.Code
		}
		s.none(c.Request().Method, status)
		c.NoContent(status)
	}
	groups := map[string]*echo.Group{"": e.Group(""), "/api/v2": e.Group("/api/v2"), "/api/v1": e.Group("/api/v1")}
	for _, r := range s.routes {
		var layers []echo.MiddlewareFunc
		if r.Group == "/api/v1" {
			layers = append(layers, echo.WrapMiddleware(copying))
		}
		groups[r.Group].Add(r.Method, translate(r.inGroup(), "*", ":$1"), func(c echo.Context) error {
			r.serve(func(status int, body string) { c.String(status, body) })
			return nil
		}, layers...)
	}
	return e
}

func (s *site) gorilla() http.Handler {
	root := mux.NewRouter()
	root.NotFoundHandler = s.noneHTTP(404)
	root.MethodNotAllowedHandler = s.noneHTTP(405)
	v1, v2 := root.PathPrefix("/api/v1").Subrouter(), root.PathPrefix("/api/v2").Subrouter()
	v1.Use(copying)
	groups := map[string]*mux.Router{"": root, "/api/v1": v1, "/api/v2": v2}
	for _, r := range s.routes {
		template := rest.ReplaceAllString(r.inGroup(), "{$1:.*}")
		if r.Template == "/orders/{id}" {
			template = "/orders/{id:[0-9]+}"
		}
		groups[r.Group].Handle(template, r).Methods(r.Method)
	}
	return root
}

func (s *site) httprouter() http.Handler {
	root := httprouter.New()
	root.RedirectTrailingSlash = false
	root.NotFound = s.noneHTTP(404)
	root.MethodNotAllowed = s.noneHTTP(405)
	for _, r := range s.routes {
		var h http.Handler = r
		if r.Group == "/api/v1" {
			h = copying(r)
		}
		root.Handler(r.Method, translate(r.Template, "*$1", ":$1"), h)
	}
	return root
}
