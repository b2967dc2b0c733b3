package normalise

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"vigil/internal/testdata"
)

func TestTmp(t *testing.T) {
	r, err := Score(testdata.Shared(t))
	if err != nil {
		t.Fatal(err)
	}
	set := os.Getenv("SET")
	for _, row := range r.Rows {
		if set != "" && row.Set != set || os.Getenv("CLAIMED") != "" && !row.Claimed {
			continue
		}
		fmt.Printf("%-8s %-40s claimed %v rec %d/%d core %d/%d %.0f all %d/%d %.0f apart %d\n", row.Set, row.Format, row.Claimed, row.Recognised, row.Records, row.Core.Equal, row.Core.Wanted, row.Core.Percent(), row.All.Equal, row.All.Wanted, row.All.Percent(), row.Apart)
		n := 0
		for _, m := range row.Misses {
			if os.Getenv("CORE") != "" && !slices.Contains(core, m.Field[strings.Index(m.Field, ":")+1:]) {
				continue
			}
			if n++; n > 25 {
				break
			}
			if len(m.Want) > 70 {
				m.Want = m.Want[:70]
			}
			if len(m.Have) > 70 {
				m.Have = m.Have[:70]
			}
			fmt.Printf("      %4d %-50s want %q have %q\n", m.Times, m.Field, m.Want, m.Have)
		}
	}
}

func TestSum(t *testing.T) {
	r, _ := Score(testdata.Shared(t))
	for _, set := range []string{"elastic", "sekoia", "ocsf", "sc4s", ""} {
		s := r.Total(func(r Row) bool { return r.Claimed && (set == "" || r.Set == set) })
		fmt.Printf("%-8s rec %d/%d core %d/%d %.1f all %d/%d %.1f\n", set, s.Recognised, s.Records, s.Core.Equal, s.Core.Wanted, s.Core.Percent(), s.All.Equal, s.All.Wanted, s.All.Percent())
	}
}
