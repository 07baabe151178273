package main

import (
	"fmt"
	"time"

	"gostall/testbed/internal/paths"
)

// params fills the parts of paths that vary.
func params(w *worker) error {
	r := w.rand
	id := func() int { return 1 + r.Intn(1_000_000) }
	day := time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC).AddDate(0, 0, r.Intn(2000)).Format("2006-01-02")
	uuid := fmt.Sprintf("%08x-%04x-4%03x-a%03x-%012x", r.Uint32(), r.Intn(1<<16), r.Intn(1<<12), r.Intn(1<<12), r.Int63n(1<<48))
	user := fmt.Sprintf("/api/users/%d", id())
	on := func(method, path, route string, status int) request {
		q := request{method: method, path: path, route: route, status: status}
		if method == "POST" || method == "PUT" || method == "PATCH" {
			q.body = `{"name":"x"}`
		}
		return q
	}
	rs := []request{
		get(user, "/api/users/{id}"),
		on("PUT", user, "/api/users/{id}", 200),
		on("PATCH", user, "/api/users/{id}", 200),
		on("DELETE", user, "/api/users/{id}", 204),
		get("/api/users", "/api/users"),
		on("POST", "/api/users", "/api/users", 201),
		get(user+"/orders", "/api/users/{id}/orders"),
		get(fmt.Sprintf("%s/orders/%d", user, id()), "/api/users/{id}/orders/{id}"),
		get("/api/orders/"+uuid, "/api/orders/{id}"),
		get(fmt.Sprintf("/api/blobs/%016x%016x%016x%016x", r.Uint64(), r.Uint64(), r.Uint64(), r.Uint64()), "/api/blobs/{id}"),
		get(fmt.Sprintf("/api/commits/%08x%016x%016x", r.Uint32(), r.Uint64(), r.Uint64()), "/api/commits/{id}"),
		get("/api/reports/"+day, "/api/reports/{date}"),
		get("/api/v1/items", "/api/v1/items"),
		get("/api/v2/items", "/api/v2/items"),
		get(fmt.Sprintf("/api/v1/items/%d", id()), "/api/v1/items/{id}"),
		get(fmt.Sprintf("/api/v2/items/%d", id()), "/api/v2/items/{id}"),
		get("/tree", "/tree"),
		get("/tree/", "/tree/"),
		get("/health", "/health"),
		get("/blog/caf%C3%A9-au-lait", "/blog/{slug}"),
		get("/blog/either%2For", "/blog/{slug}"),
	}
	for i := 0; i < 10; i++ {
		rs = append(rs, get("/blog/"+paths.Slug(r.Intn(600)), "/blog/{slug}"))
	}
	return w.askAll(rs...)
}

func literals(w *worker) error {
	for i := 0; i < 6; i++ {
		if err := w.ask(lit(paths.Literal(w.rand.Intn(paths.Literals)))); err != nil {
			return err
		}
	}
	return nil
}

func grid(w *worker) error {
	if w.driver.grid < 1 {
		return fmt.Errorf("-endpoints is not given")
	}
	return w.ask(lit(paths.Grid((w.units*w.conns + w.index) % w.driver.grid)))
}

func files(w *worker) error {
	large, small, whole := lit("/file/large"), lit("/file/small"), lit("/file/content")
	large.check, small.check, whole.check = size(1<<20), size(512), size(1<<20)
	part := get("/file/content", "/file/content")
	part.header, part.status, part.check = []string{"Range: bytes=1000-50999"}, 206, size(50000)
	known := get("/file/content", "/file/content")
	known.header, known.status = []string{"If-Modified-Since: Tue, 14 Nov 2023 22:13:20 GMT"}, 304
	return w.askAll(large, small, whole, part, known)
}

// static walks about in a tree below a catch-all; what is missing there was
// matched all the same.
func static(w *worker) error {
	for i := 0; i < 5; i++ {
		s := get(paths.Static(w.rand.Intn(paths.StaticFiles)), "/static/{path...}")
		s.check = size(512)
		if err := w.ask(s); err != nil {
			return err
		}
	}
	missing := get("/static/css/missing.css", "/static/{path...}")
	missing.status, missing.check = 404, exactly("404 page not found\n")
	return w.ask(missing)
}
