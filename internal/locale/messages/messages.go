// Package messages has the texts that one function alone carries, so that the others are not larger for them.
package messages

import "embed"

// Console has what only the console says.
//
//go:embed console.*.json console-*.json
var Console embed.FS
