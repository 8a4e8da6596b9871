package engine

import (
	"bufio"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"concord/infra/local/component"
)

// TestMain lets the test binary be the parent that TestEngineDiesWithItsParent kills.
func TestMain(m *testing.M) {
	if os.Getenv("ENGINE_TEST_PARENT") != "" {
		e, err := Start(context.Background(), Options{Kind: Dynoxide})
		if err != nil {
			panic(err)
		}
		os.Stdout.WriteString(e.Endpoint() + "\n")
		select {}
	}
	os.Exit(m.Run())
}

func client(endpoint string) *dynamodb.Client {
	return dynamodb.New(dynamodb.Options{Region: "us-east-1", BaseEndpoint: &endpoint,
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: "local", SecretAccessKey: "local"}, nil
		})})
}

func createTable(t *testing.T, db *dynamodb.Client, name string) {
	t.Helper()
	_, err := db.CreateTable(t.Context(), &dynamodb.CreateTableInput{
		TableName: &name, BillingMode: types.BillingModePayPerRequest,
		AttributeDefinitions: []types.AttributeDefinition{{AttributeName: aws.String("pk"), AttributeType: types.ScalarAttributeTypeS}},
		KeySchema:            []types.KeySchemaElement{{AttributeName: aws.String("pk"), KeyType: types.KeyTypeHash}},
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestBothEnginesStartEmptyServeAndEnd(t *testing.T) {
	for _, kind := range []string{Dynoxide, DynamoDBLocal} {
		t.Run(kind, func(t *testing.T) {
			t.Setenv("AWS_ENDPOINT_URL_DYNAMODB", "")
			began := time.Now()
			e, err := Start(t.Context(), Options{Kind: kind})
			if err != nil {
				t.Fatal(err)
			}
			defer e.Close()
			t.Logf("answers after %v", time.Since(began).Round(time.Millisecond))
			if e.Kind() != kind || e.StreamsEndpoint() != e.Endpoint() {
				t.Errorf("kind %q, streams at %q, tables at %q", e.Kind(), e.StreamsEndpoint(), e.Endpoint())
			}
			db := client(e.Endpoint())
			tables, err := db.ListTables(t.Context(), &dynamodb.ListTablesInput{})
			if err != nil {
				t.Fatal(err)
			}
			if len(tables.TableNames) != 0 {
				t.Errorf("a new engine holds %v", tables.TableNames)
			}
			createTable(t, db, "one")
			if err := e.Close(); err != nil {
				t.Error(err)
			}
			if e.Err() != nil || component.Answers(t.Context(), e.Endpoint()) {
				t.Errorf("after Close: error %v, answers %v", e.Err(), component.Answers(t.Context(), e.Endpoint()))
			}
		})
	}
}

func TestChoice(t *testing.T) {
	running := StartForTest(t)
	for _, c := range []struct{ name, kind, engine, endpoint, want string }{
		{"default", "", "", "", Dynoxide},
		{"by variable", "", Dynoxide, "", Dynoxide},
		{"endpoint given", "", "", running, External},
		{"endpoint given and asked for", "", External, running, External},
		{"unknown engine", "", "dynalite", "", "is not an engine"},
		{"engine and endpoint contradict", "", DynamoDBLocal, running, "both set"},
		{"option and endpoint contradict", DynamoDBLocal, "", running, "both set"},
		{"external without endpoint", "", External, "", "needs AWS_ENDPOINT_URL_DYNAMODB"},
		{"nothing at the endpoint", "", "", "http://127.0.0.1:1", "nothing answers"},
		{"endpoint is no URL", "", "", "dynamodb", "is not a URL"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Setenv("ENGINE", c.engine)
			t.Setenv("AWS_ENDPOINT_URL_DYNAMODB", c.endpoint)
			t.Setenv("AWS_ENDPOINT_URL_DYNAMODB_STREAMS", "")
			e, err := Start(t.Context(), Options{Kind: c.kind})
			if err != nil {
				if !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "\n") {
					t.Errorf("got %q, want one line with %q", err, c.want)
				}
				return
			}
			defer e.Close()
			if e.Kind() != c.want {
				t.Errorf("got %s, want %s", e.Kind(), c.want)
			}
		})
	}
}

func TestMissingEngineSaysHowToGetIt(t *testing.T) {
	t.Setenv("AWS_ENDPOINT_URL_DYNAMODB", "")
	empty := t.TempDir()
	if err := os.WriteFile(filepath.Join(empty, "go.mod"), []byte("module concord\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Chdir(empty)
	for kind, command := range map[string]string{Dynoxide: "make -C infra/tools npm", DynamoDBLocal: "make -C infra/tools dynamodb-local"} {
		e, err := Start(t.Context(), Options{Kind: kind})
		if err == nil {
			e.Close()
			t.Fatalf("%s started from an empty repository", kind)
		}
		if !strings.Contains(err.Error(), command) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %q, want one line with %q", kind, err, command)
		}
	}
}

func TestDeathIsReported(t *testing.T) {
	e, err := Start(t.Context(), Options{Kind: Dynoxide})
	if err != nil {
		t.Fatal(err)
	}
	if err := e.child.Kill(); err != nil {
		t.Fatal(err)
	}
	select {
	case <-e.Done():
	case <-time.After(5 * time.Second):
		t.Fatal("the engine was killed and nobody noticed")
	}
	if e.Err() == nil || !strings.Contains(e.Err().Error(), "dynoxide ended: signal: killed") {
		t.Errorf("got %v", e.Err())
	}
}

func TestEngineDiesWithItsParent(t *testing.T) {
	parent := exec.Command(os.Args[0])
	parent.Env = append(os.Environ(), "ENGINE_TEST_PARENT=1")
	out, err := parent.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := parent.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	endpoint := strings.TrimSpace(line)
	if !component.Answers(t.Context(), endpoint) {
		t.Fatal("the engine does not answer while its parent lives")
	}
	parent.Process.Kill()
	parent.Wait()
	for range 100 {
		if !component.Answers(t.Context(), endpoint) {
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
	t.Error("the engine outlives its killed parent")
}
