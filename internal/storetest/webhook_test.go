package storetest_test

import (
	"testing"

	"concord/internal/storetest"
)

func TestWebhooks(t *testing.T) { storetest.Webhooks(t, &storetest.Memory{}) }
