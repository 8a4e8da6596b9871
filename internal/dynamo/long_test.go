package dynamo_test

import (
	"flag"
	"os"
	"testing"
)

// How far the tests of whatever may happen go. `make long` goes further, from another seed each time; a failure names the history, and -seed
// with -histories 1 runs that one alone. The cases of TestModel are rapid's, -rapid.checks and -rapid.seed.
var (
	firstHistory = flag.Int("seed", 0, "seed of the first history of callers at once")
	histories    = flag.Int("histories", 80, "how many histories of callers at once")
)

func TestMain(m *testing.M) {
	if err := flag.Set("rapid.checks", "25"); err != nil { // unless the command line says otherwise
		panic(err)
	}
	os.Exit(m.Run())
}
