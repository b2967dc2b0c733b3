// Package perm is the permission table: which role may do what. It is pure and
// explicit, so that it can be shown, tested and read in one glance.
package perm

import "slices"

// Permission is verb:noun, e.g. "decide:approvals".
type Permission string

// Role is a named set of permissions; each role includes the one before it.
type Role string

// The roles, weakest first.
const (
	Viewer   Role = "viewer"
	Analyst  Role = "analyst"
	Approver Role = "approver"
	Admin    Role = "admin"
)

// Roles returns the roles, weakest first.
func Roles() []Role { return []Role{Viewer, Analyst, Approver, Admin} }

// granted lists what each role adds to the role before it.
func granted(r Role) []Permission {
	switch r {
	case Viewer:
		return []Permission{"read:home", "read:alerts", "read:incidents", "read:approvals", "read:sources", "read:events",
			"read:rules", "read:playbooks", "read:intel", "read:models", "read:posture", "read:entities"}
	case Analyst:
		return []Permission{"write:alerts", "write:incidents", "write:sources", "attach:sources", "write:saved", "write:reports", "read:audit", "run:hunts", "run:posture", "write:exceptions"}
	case Approver:
		return []Permission{"decide:approvals"}
	case Admin:
		return []Permission{"admin:users", "admin:models", "admin:intel", "attach:feeds", "admin:rules", "admin:entities", "admin:orgs", "read:payloads"}
	default:
		return nil
	}
}

// Of returns all permissions of a role, nil for an unknown role.
func Of(role Role) []Permission {
	var all []Permission
	for _, r := range Roles() {
		all = append(all, granted(r)...)
		if r == role {
			return all
		}
	}
	return nil
}

// May says whether a role has a permission, in the platform's org.
func May(role Role, p Permission) bool {
	return slices.Contains(Of(role), p)
}

// platform lists what only people of the platform's org may, whatever their role: what
// concerns every org, and what makes this installation read its own files, call addresses,
// or use its secrets.
func platform() []Permission {
	return []Permission{"admin:orgs", "read:payloads", "attach:sources", "attach:feeds"}
}

// For returns the permissions of a role in the platform's org, or in another.
func For(role Role, ofPlatform bool) []Permission {
	all := Of(role)
	if !ofPlatform {
		all = slices.DeleteFunc(all, func(p Permission) bool { return slices.Contains(platform(), p) })
	}
	return all
}
