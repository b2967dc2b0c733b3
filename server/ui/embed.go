// Package ui carries the built web app.
package ui

import (
	"embed"
	"io/fs"
)

//go:embed all:dist
var dist embed.FS

// FS is the built app, rooted at its index.html.
func FS() fs.FS {
	sub, err := fs.Sub(dist, "dist")
	if err != nil {
		panic("the embedded folder has a fixed name: " + err.Error())
	}
	return sub
}

// Built says whether the app was built into this binary (`make ui`).
func Built() bool {
	_, err := fs.Stat(FS(), "index.html")
	return err == nil
}
