package meter

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func TestMeter(t *testing.T) {
	var m Meter
	asked := ""
	server := httptest.NewServer(m.Before(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		asked = string(b)
		switch target := r.Header.Get("X-Amz-Target"); {
		case strings.HasSuffix(target, "TransactWriteItems"):
			_, _ = io.WriteString(w,
				`{"ConsumedCapacity":[{"Table":{"CapacityUnits":4},"GlobalSecondaryIndexes":{"list":{"CapacityUnits":1}}}]}`)
		case strings.Contains(asked, "P#refused"):
			w.WriteHeader(http.StatusBadRequest)
			_, _ = io.WriteString(w, `{"__type":"com.amazonaws.dynamodb.v20120810#ConditionalCheckFailedException"}`)
		default:
			_, _ = io.WriteString(w, `{"ConsumedCapacity":{"Table":{"CapacityUnits":0.5}}}`)
		}
	})))
	defer server.Close()
	ask := func(operation, body string) {
		r, err := http.NewRequestWithContext(t.Context(), "POST", server.URL, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("X-Amz-Target", "DynamoDB_20120810."+operation)
		r.Header.Set("Authorization", "AWS4-HMAC-SHA256 Credential=MailerFunction/20260101/us-east-1/dynamodb/aws4_request")
		res, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.Copy(io.Discard, res.Body)
		_ = res.Body.Close()
	}
	for range 2 {
		ask("GetItem", `{"TableName":"t","Key":{"pk":{"S":"P#one"},"sk":{"S":"A"}}}`)
	}
	if !strings.Contains(asked, `"ReturnConsumedCapacity":"INDEXES"`) {
		t.Errorf("asked %s", asked)
	}
	ask("TransactWriteItems", `{"TransactItems":[{"Put":{"Item":{"pk":{"S":"P#one"},"sk":{"S":"I#two"}}}}]}`)
	ask("UpdateItem", `{"Key":{"pk":{"S":"P#refused"},"sk":{"S":"I#two"}}}`)
	ask("DescribeTable", `{}`)
	rows := m.Take()
	requests, writes, reads := Total(rows)
	if requests != 4 || writes != 5 || reads != 1 || len(rows) != 3 {
		t.Fatalf("%d requests, %v writes, %v reads: %+v", requests, writes, reads, rows)
	}
	if r := rows[0]; r.Function != "MailerFunction" || r.Operation != "GetItem" || r.Item != "P A" || r.Requests != 2 {
		t.Errorf("%+v", r)
	}
	if r := rows[2]; r.Operation != "UpdateItem ConditionalCheckFailedException" || r.Item != "P I" {
		t.Errorf("%+v", r)
	}
	if again := m.Take(); len(again) != 0 {
		t.Errorf("counted twice: %+v", again)
	}
}
