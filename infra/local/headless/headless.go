// Package headless starts the browser that the tools beside Go unpack (infra/tools), without a screen.
package headless

import (
	"context"
	"path/filepath"

	"github.com/chromedp/chromedp"

	"concord/infra/local/component"
)

// Start starts a browser that keeps its files in a directory, and gives the context of its first tab and what ends it.
// Its error says what to do when the browser is missing.
func Start(ctx context.Context, directory string) (context.Context, context.CancelFunc, error) {
	root, err := component.Root()
	if err != nil {
		return nil, nil, err
	}
	path := filepath.Join(root, "infra", "tools", "chromium", "chrome")
	if err := component.Require("the browser", path, "make -C infra/tools chromium"); err != nil {
		return nil, nil, err
	}
	allocator, endAllocator := chromedp.NewExecAllocator(ctx, chromedp.ExecPath(path),
		chromedp.Headless, chromedp.NoSandbox, chromedp.DisableGPU, chromedp.NoFirstRun,
		chromedp.Flag("disable-dev-shm-usage", true), chromedp.Flag("disable-background-networking", true),
		chromedp.Flag("disable-component-update", true), chromedp.Flag("disable-sync", true),
		chromedp.UserDataDir(directory))
	tab, endTab := chromedp.NewContext(allocator)
	end := func() { endTab(); endAllocator() }
	if err := chromedp.Do(tab); err != nil {
		end()
		return nil, nil, err
	}
	return tab, end, nil
}
