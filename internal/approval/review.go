package approval

import (
	"strings"
	"time"

	"vigil/schema"
)

// ReviewDecision records the second look at a break-glass decision. Whoever broke
// the glass, or asked for the action, does not review it.
func ReviewDecision(a *schema.Approval, by Person, state, reason string, now time.Time) error {
	switch {
	case a.Review == nil:
		return schema.E(schema.Invalid, "approval "+a.ID+" needs no review", "only break-glass decisions do")
	case state != schema.ReviewJustified && state != schema.ReviewUnjustified:
		return schema.E(schema.Invalid, "a review cannot say "+state, "justified or unjustified")
	case strings.TrimSpace(reason) == "":
		return schema.E(schema.Invalid, "a review needs a reason", "say what you found")
	case a.Review.State != schema.ReviewPending && a.Review.By == by.Name && a.Review.State == state:
		return nil
	case a.Review.State != schema.ReviewPending:
		return schema.E(schema.Conflict, "it was reviewed by "+a.Review.By+": "+a.Review.State, "")
	}
	if err := may(*a, by); err != nil {
		return err
	}
	for _, d := range a.Decisions {
		if strings.EqualFold(d.User, by.Name) {
			return schema.E(schema.Denied, by.Name+" decided it and may not review it", "somebody else is needed")
		}
	}
	a.Review = &schema.ApprovalReview{State: state, By: by.Name, Reason: reason, Time: now.UTC()}
	return nil
}
