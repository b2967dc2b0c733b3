package objects

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
)

// Visibility is for how long a received message is hidden from others; Extend renews it.
const Visibility = 2 * time.Minute

// Message is what a queue told.
type Message struct {
	ID      string
	handle  string
	Objects []Object // written, in this source's bucket and below its prefix
	Foreign int      // objects of another bucket or prefix
	Err     error    // it is no notification of an object store
}

// Receive waits up to the given time for messages, at most ten.
func (c *Client) Receive(ctx context.Context, wait time.Duration) ([]Message, error) {
	res, err := c.sqs.ReceiveMessage(ctx, &sqs.ReceiveMessageInput{QueueUrl: &c.src.Queue, MaxNumberOfMessages: 10,
		WaitTimeSeconds: int32(wait / time.Second), VisibilityTimeout: int32(Visibility / time.Second)})
	if err != nil {
		return nil, explained(err, "receiving from "+c.src.Queue)
	}
	var out []Message
	for _, m := range res.Messages {
		msg := Message{ID: aws.ToString(m.MessageId), handle: aws.ToString(m.ReceiptHandle)}
		var all []Object
		all, msg.Err = notified(aws.ToString(m.Body), 3)
		for _, o := range all {
			if c.src.Bucket != "" && o.Bucket != c.src.Bucket || !strings.HasPrefix(o.Key, c.src.Prefix) {
				msg.Foreign++
				continue
			}
			msg.Objects = append(msg.Objects, o)
		}
		out = append(out, msg)
	}
	return out, nil
}

// Extend hides a message for longer.
func (c *Client) Extend(ctx context.Context, m Message) error {
	_, err := c.sqs.ChangeMessageVisibility(ctx, &sqs.ChangeMessageVisibilityInput{QueueUrl: &c.src.Queue, ReceiptHandle: &m.handle, VisibilityTimeout: int32(Visibility / time.Second)})
	return err
}

// Delete takes a message out of the queue for good.
func (c *Client) Delete(ctx context.Context, m Message) error {
	if _, err := c.sqs.DeleteMessage(ctx, &sqs.DeleteMessageInput{QueueUrl: &c.src.Queue, ReceiptHandle: &m.handle}); err != nil {
		return explained(err, "deleting a message of "+c.src.Queue)
	}
	return nil
}

// notification is the union of what S3 and those like it send: events, the test of a new
// subscription, an envelope of SNS, an event of EventBridge.
type notification struct {
	Event   string // of the test
	Type    string
	Message string
	Records []struct {
		EventName string    `json:"eventName"`
		EventTime time.Time `json:"eventTime"`
		S3        struct {
			Bucket struct{ Name string }
			Object struct {
				Key, ETag string
				Size      int64
			}
		}
	}
	DetailType string `json:"detail-type"`
	Time       time.Time
	Detail     struct {
		Bucket struct{ Name string }
		Object struct {
			Key, ETag string
			Size      int64
		}
	}
}

// notified reads which objects a message says were written; depth bounds envelopes.
func notified(body string, depth int) ([]Object, error) {
	var n notification
	if err := json.Unmarshal([]byte(body), &n); err != nil {
		return nil, fmt.Errorf("the message is no JSON: %w", err)
	}
	switch {
	case n.Type == "Notification" && n.Message != "" && depth > 0:
		return notified(n.Message, depth-1)
	case n.Event == "s3:TestEvent":
		return nil, nil
	case n.DetailType == "Object Created":
		d := n.Detail
		return []Object{{Bucket: d.Bucket.Name, Key: d.Object.Key, ETag: d.Object.ETag, Size: d.Object.Size, Modified: n.Time}}, nil
	case n.DetailType != "":
		return nil, nil // deleted, tagged, restored
	case len(n.Records) == 0:
		return nil, fmt.Errorf("the message is no notification of an object store")
	}
	var out []Object
	for _, r := range n.Records {
		if !strings.Contains(r.EventName, "ObjectCreated:") {
			continue
		}
		key, err := url.QueryUnescape(r.S3.Object.Key)
		if err != nil {
			return nil, fmt.Errorf("the key %q cannot be read: %w", r.S3.Object.Key, err)
		}
		out = append(out, Object{Bucket: r.S3.Bucket.Name, Key: key, ETag: r.S3.Object.ETag, Size: r.S3.Object.Size, Modified: r.EventTime})
	}
	return out, nil
}
