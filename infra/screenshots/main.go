// Command screenshots takes a picture of every page that the people of the demonstration can reach, and of every kind of
// mail that it sent, in all languages, at three widths, light and dark.
//
// It starts a local stack of its own with the demonstration (infra/local/demo), signs people in, and follows links: of
// each page name (data-page) it takes the first that it meets. Pages that only a sent form shows are not among them.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"strings"

	"concord/internal/locale"
)

func main() {
	var o options
	tags := strings.Join(locale.Names(locale.Tags), ",")
	flag.StringVar(&o.into, "into", ".build/screenshots", "the `directory` of the pictures: <language>/<page>-<width>-<theme>.png")
	languages := flag.String("languages", tags, "which `languages`, with commas")
	flag.StringVar(&o.only, "only", "", "pages whose `name` holds this text alone")
	flag.BoolVar(&o.readme, "readme", false, "take the pictures of the README instead, into docs/pictures")
	flag.Parse()
	for tag := range strings.SplitSeq(*languages, ",") {
		if !slices.Contains(locale.Names(locale.Tags), tag) {
			fmt.Fprintf(os.Stderr, "screenshots: -languages %s: take of %s\n", *languages, tags)
			os.Exit(2)
		}
		o.languages = append(o.languages, tag)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := run(ctx, os.Stdout, o)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "screenshots:", err)
		os.Exit(1)
	}
}

// options are the flags.
type options struct {
	into      string
	languages []string
	only      string
	readme    bool
}
