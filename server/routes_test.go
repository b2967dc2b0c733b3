package server

import (
	"testing"

	"vigil/internal/auth/perm"
)

// TestRouteTable builds every route and holds it against every role: what the table
// says is what is enforced.
func TestRouteTable(t *testing.T) {
	s := New(Options{})
	paths := s.api.OpenAPI().Paths
	if len(paths) < 25 {
		t.Errorf("%d paths, want the whole table", len(paths))
	}
	for _, role := range perm.Roles() {
		c := &caller{}
		c.user.Role = string(role)
		if (allowed(c, "admin:users") == nil) != (role == perm.Admin) {
			t.Errorf("%s and admin:users", role)
		}
		if (allowed(c, "decide:approvals") == nil) != (role == perm.Admin || role == perm.Approver) {
			t.Errorf("%s and decide:approvals", role)
		}
		if allowed(c, "read:alerts") != nil || allowed(c, signedIn) != nil {
			t.Errorf("%s cannot read alerts", role)
		}
	}
	if allowed(nil, public) != nil || allowed(nil, signedIn) == nil || allowed(nil, "read:alerts") == nil {
		t.Error("nobody is somebody")
	}
}
