package main

import (
	"mime"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	m "gostall/testbed/internal/marker"
	"gostall/testbed/internal/paths"
)

// Sizes of the served files. The large one is more than a socket's buffer.
const (
	smallFile = 512
	largeFile = 1 << 20
)

// fileEndpoints serve files: sendfile, ranges, a tree below a catch-all.
func fileEndpoints() []*endpoint {
	send := func(name string) func(*call) {
		return func(c *call) {
			c.marks()
			http.ServeFile(c.w, c.r, filepath.Join(m.Dir(), "public", name))
		}
	}
	return []*endpoint{
		{method: "GET", route: "/file/large", serve: send("large.bin"), steps: []step{{m.FchmodOK, 3}}},
		{method: "GET", route: "/file/small", serve: send("small.txt"), steps: []step{{m.FchmodOK, 5}}},
		{method: "GET", route: "/file/content", serve: content, steps: []step{{m.FtruncateOK, 2}}},
		{method: "GET", route: "/static/{path...}", serve: static, steps: []step{{m.FtruncateOK, 3}, {m.FlockEAGAIN, 1}}},
		{method: "GET", route: "/file/sync", serve: syncFile, steps: []step{{m.Pwrite64OK, 2}, {m.FsyncOK, 1}, {m.FdatasyncOK, 1}}},
	}
}

// content is ServeContent, which answers ranges and conditions by itself.
func content(c *call) {
	c.marks()
	f, err := os.Open(filepath.Join(m.Dir(), "public", "large.bin"))
	if err != nil {
		panic(err)
	}
	defer f.Close()
	http.ServeContent(c.w, c.r, "content.bin", time.Unix(1700000000, 0), f)
}

func static(c *call) {
	c.marks()
	tree := http.StripPrefix("/static/", http.FileServer(http.Dir(filepath.Join(m.Dir(), "public"))))
	tree.ServeHTTP(c.w, c.r)
}

func syncFile(c *call) {
	c.marks()
	c.answer()
}

// prepareFiles writes the files to serve, and makes the first use of the
// system's tables of file types, which opens a dozen files, outside of any request.
func (s *server) prepareFiles() error {
	mime.TypeByExtension(".css")
	public := filepath.Join(m.Dir(), "public")
	files := map[string]int{"large.bin": largeFile, "small.txt": smallFile}
	for i := 0; i < paths.StaticFiles; i++ {
		files[strings.TrimPrefix(paths.Static(i), "/static/")] = smallFile
	}
	for name, size := range files {
		path := filepath.Join(public, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(path, []byte(strings.Repeat("0123456789abcde\n", size/16)), 0o644); err != nil {
			return err
		}
	}
	return nil
}
