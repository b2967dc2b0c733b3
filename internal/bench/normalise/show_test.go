package normalise

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"

	"vigil/internal/testdata"
)

func TestShow(t *testing.T) {
	n, _ := strconv.Atoi(os.Getenv("N"))
	if n == 0 {
		n = 4
	}
	k := 0
	for p, err := range pairs(testdata.Shared(t)) {
		if err != nil {
			t.Fatal(err)
		}
		if p.format != os.Getenv("FORMAT") {
			continue
		}
		g := parse(p)
		for _, f := range strings.Split(os.Getenv("FIELD"), ",") {
			want, ok := p.want[f]
			if !ok || same(f, want, g.values(f)) && os.Getenv("ALL") == "" {
				continue
			}
			if k++; k > n {
				return
			}
			r := p.record
			if len(r) > 900 {
				r = r[:900]
			}
			fmt.Printf("--- %s %s want %q have %q failed %v\n%s\n", g.format, f, want, g.values(f), g.failed, r)
		}
	}
}
