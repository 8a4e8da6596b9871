// Package palette has the colours that pages and console share, in light and dark; mails use the same ones.
package palette

import _ "embed"

// CSS declares the colours as custom properties of the root, first for light surroundings, then for dark ones.
//
//go:embed palette.css
var CSS string
