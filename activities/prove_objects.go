package activities

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"vigil/internal/source/objects"
	"vigil/schema"
)

// refetch gets an object of a bucket again and recounts it as a file. Content that is not
// there any more cannot be: that is said, and the tables were still compared.
func (p *Proof) refetch(ctx context.Context, list []schema.Chunk) error {
	dir, err := os.MkdirTemp("", "vigil-prove-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	client, err := objects.Open(ctx, *p.def.S3)
	if err != nil {
		return err
	}
	bucket, rest, _ := strings.Cut(strings.TrimPrefix(list[0].Object, "s3://"), "/")
	// Where the key ends and the member of an archive begins, the fingerprint tells.
	for key, member := rest, ""; ; {
		o, file, err := client.Fetch(ctx, objects.Object{Bucket: bucket, Key: key}, dir)
		switch {
		case err == nil && o.ID() == list[0].Fingerprint && member == "" && list[0].To == 0:
			return nil // an archive, whose members are objects of their own
		case err == nil && o.ID() == list[0].Fingerprint && member == "":
			return p.recountFile(ctx, file, list)
		case err == nil && member != "" && schema.HashID(o.ID(), member) == list[0].Fingerprint:
			return p.recountFile(ctx, file+"!"+member, list)
		case err != nil && !errors.Is(err, objects.ErrGone):
			return err
		}
		cut := strings.LastIndexByte(key, '!')
		if cut < 0 {
			break
		}
		key, member = rest[:cut], rest[cut+1:]
	}
	p.Gone = append(p.Gone, fmt.Sprintf("%s: it was deleted or overwritten since; its %d chunks were compared with the tables only", list[0].Object, len(list)))
	return os.ErrNotExist
}
