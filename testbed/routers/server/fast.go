package main

import (
	"crypto/tls"
	"net"

	"github.com/fasthttp/router"
	"github.com/gofiber/fiber/v2"
	"github.com/valyala/fasthttp"
)

func tlsListener(l net.Listener, config *tls.Config) net.Listener { return tls.NewListener(l, config) }

// fast are the frameworks that have nothing to do with net/http.
func (s *site) fast() (func(net.Listener) error, bool) {
	switch s.framework {
	case "fiber":
		return s.fiber(), true
	case "fasthttp":
		return s.fasthttp(), true
	}
	return nil, false
}

func (s *site) fiber() func(net.Listener) error {
	app := fiber.New(fiber.Config{
		StrictRouting: true, CaseSensitive: true, DisableStartupMessage: true,
		ErrorHandler: func(c *fiber.Ctx, err error) error {
			status := 500
			if fe, ok := err.(*fiber.Error); ok {
				status = fe.Code
			}
			s.none(string(c.Request().Header.Method()), status)
			return c.SendStatus(status)
		},
	})
	add := func(to fiber.Router, group string) {
		for _, r := range s.grouped(group) {
			to.Add(r.Method, translate(r.inGroup(), "*", ":$1"), func(c *fiber.Ctx) error {
				r.serve(func(status int, body string) {
					c.Status(status)
					c.WriteString(body)
				})
				return nil
			})
		}
	}
	add(app, "")
	add(app.Group("/api/v1"), "/api/v1")
	sub := fiber.New(fiber.Config{StrictRouting: true, CaseSensitive: true})
	add(sub, "/api/v2")
	app.Mount("/api/v2", sub)
	return app.Listener
}

func (s *site) fasthttp() func(net.Listener) error {
	root := router.New()
	root.RedirectTrailingSlash = false
	none := func(status int) fasthttp.RequestHandler {
		return func(c *fasthttp.RequestCtx) {
			s.none(string(c.Method()), status)
			c.SetStatusCode(status)
		}
	}
	root.NotFound, root.MethodNotAllowed = none(404), none(405)
	groups := map[string]interface {
		Handle(method, path string, h fasthttp.RequestHandler)
	}{"": root, "/api/v1": root.Group("/api/v1"), "/api/v2": root.Group("/api/v2")}
	for _, r := range s.routes {
		groups[r.Group].Handle(r.Method, rest.ReplaceAllString(r.inGroup(), "{$1:*}"), func(c *fasthttp.RequestCtx) {
			r.serve(func(status int, body string) {
				c.SetStatusCode(status)
				c.WriteString(body)
			})
		})
	}
	srv := &fasthttp.Server{Handler: root.Handler}
	return srv.Serve
}
