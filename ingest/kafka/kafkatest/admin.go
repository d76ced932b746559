package kafkatest

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"time"
)

// Keys of Kafka's protocol.
const (
	createTopicsKey  = 19
	deleteTopicsKey  = 20
	deleteRecordsKey = 21
	createACLsKey    = 30
)

// adminWithin bounds one request of an administrator.
const adminWithin = 15 * time.Second

// DeleteTopic deletes a topic, as an administrator would. Its records are gone
// for readers when it returns; a topic of the same name may be made soon after.
func DeleteTopic(ctx context.Context, addr, topic string) error {
	b := binary.BigEndian.AppendUint32(nil, 1)
	b = appendText(b, topic)
	b = binary.BigEndian.AppendUint32(b, uint32(adminWithin.Milliseconds()))
	answer, err := ask(ctx, addr, deleteTopicsKey, 1, b)
	if err != nil {
		return fmt.Errorf("kafkatest: delete topic %q: %w", topic, err)
	}
	return code(answer, len(answer)-2)
}

// DeleteRecords deletes the records of a partition before an offset, as retention
// would.
func DeleteRecords(ctx context.Context, addr, topic string, partition int32, before int64) error {
	b := binary.BigEndian.AppendUint32(nil, 1)
	b = appendText(b, topic)
	b = binary.BigEndian.AppendUint32(b, 1)
	b = binary.BigEndian.AppendUint32(b, uint32(partition))
	b = binary.BigEndian.AppendUint64(b, uint64(before))
	b = binary.BigEndian.AppendUint32(b, uint32(adminWithin.Milliseconds()))
	answer, err := ask(ctx, addr, deleteRecordsKey, 0, b)
	if err != nil {
		return fmt.Errorf("kafkatest: delete records of topic %q: %w", topic, err)
	}
	return code(answer, len(answer)-2)
}

// Resource is what a right is about, by Kafka's number.
type Resource int8

// Resources.
const (
	TopicResource Resource = 2
	GroupResource Resource = 3
)

// Operation is what a right allows, by Kafka's number.
type Operation int8

// Operations.
const (
	Read     Operation = 3
	Write    Operation = 4
	Create   Operation = 5
	Describe Operation = 8
)

// Right is one right on one resource.
type Right struct {
	Resource  Resource
	Name      string
	Operation Operation
}

// Allow grants rights to a user, as an administrator would.
func Allow(ctx context.Context, addr, user string, rights ...Right) error {
	const literal, allow = 3, 3
	b := binary.BigEndian.AppendUint32(nil, uint32(len(rights)))
	for _, r := range rights {
		b = appendText(append(b, byte(r.Resource)), r.Name)
		b = appendText(append(b, literal), "User:"+user)
		b = append(appendText(b, "*"), byte(r.Operation), allow)
	}
	answer, err := ask(ctx, addr, createACLsKey, 1, b)
	if err != nil {
		return fmt.Errorf("kafkatest: allow: %w", err)
	}
	return code(answer, 8)
}

// code reads the error code that ends an answer about one thing.
func code(answer []byte, at int) error {
	if at < 0 {
		return errors.New("kafkatest: the answer is cut short")
	}
	if c := int16(binary.BigEndian.Uint16(answer[at:])); c != 0 {
		return fmt.Errorf("kafkatest: the broker answers with error %d", c)
	}
	return nil
}

func appendText(b []byte, s string) []byte {
	return append(binary.BigEndian.AppendUint16(b, uint16(len(s))), s...)
}

// ask sends one request to a broker that is alone, and gives the answer without
// its header.
func ask(ctx context.Context, addr string, key, version uint16, body []byte) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, adminWithin)
	defer cancel()
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", addr)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	deadline, _ := ctx.Deadline()
	if err := conn.SetDeadline(deadline); err != nil {
		return nil, err
	}
	head := binary.BigEndian.AppendUint16(nil, key)
	head = binary.BigEndian.AppendUint16(head, version)
	head = binary.BigEndian.AppendUint32(head, 1) // correlation
	head = appendText(head, "kafkatest")
	request := binary.BigEndian.AppendUint32(nil, uint32(len(head)+len(body)))
	if _, err := conn.Write(append(append(request, head...), body...)); err != nil {
		return nil, err
	}
	var size [8]byte
	if _, err := io.ReadFull(conn, size[:]); err != nil {
		return nil, err
	}
	answer := make([]byte, binary.BigEndian.Uint32(size[:4])-4)
	_, err = io.ReadFull(conn, answer)
	return answer, err
}

// CreateCompacted makes a topic of one partition whose older records of a key the cleaner
// removes as soon as their segment is closed: by the first record that is 50 ms newer.
func CreateCompacted(ctx context.Context, addr, topic string) error {
	settings := [][2]string{{"cleanup.policy", "compact"}, {"segment.ms", "50"}, {"min.cleanable.dirty.ratio", "0.01"}}
	b := binary.BigEndian.AppendUint32(nil, 1)
	b = appendText(b, topic)
	b = binary.BigEndian.AppendUint32(b, 1) // partitions
	b = binary.BigEndian.AppendUint16(b, 1) // replicas
	b = binary.BigEndian.AppendUint32(b, 0) // wherever
	b = binary.BigEndian.AppendUint32(b, uint32(len(settings)))
	for _, s := range settings {
		b = appendText(appendText(b, s[0]), s[1])
	}
	b = binary.BigEndian.AppendUint32(b, uint32(adminWithin.Milliseconds()))
	b = append(b, 0) // in earnest
	answer, err := ask(ctx, addr, createTopicsKey, 2, b)
	if err != nil {
		return fmt.Errorf("kafkatest: create topic %q: %w", topic, err)
	}
	return code(answer, 4+4+2+len(topic))
}
