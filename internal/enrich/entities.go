package enrich

import (
	"net/netip"

	"vigil/internal/tables"
	"vigil/schema"
)

// assets puts on events what we know of the machines in them.
type assets struct{ t *tables.Assets }

// Assets returns the part that looks up the host, the source and the destination of events.
func Assets(t *tables.Assets) Part { return assets{t} }

// assetFields are where one machine's row goes; unset where it has no field.
type assetFields struct{ name, criticality, owner, department, tags schema.FieldID }

var (
	hostAsset = assetFields{schema.FHostAssetName, schema.FHostAssetCriticality, schema.FHostAssetOwner, schema.FHostAssetDepartment, schema.FHostAssetTags}
	endAssets = []struct {
		ip, mac, domain schema.FieldID
		to              assetFields
	}{
		{schema.FSourceIP, schema.FSourceMac, schema.FSourceDomain,
			assetFields{schema.FSourceAssetName, schema.FSourceAssetCriticality, schema.FSourceAssetOwner, unset, schema.FSourceAssetTags}},
		{schema.FDestinationIP, schema.FDestinationMac, schema.FDestinationDomain,
			assetFields{schema.FDestinationAssetName, schema.FDestinationAssetCriticality, schema.FDestinationAssetOwner, unset, schema.FDestinationAssetTags}},
	}
)

// unset is no field.
const unset = schema.NumFields

// Enrich implements Part.
func (x assets) Enrich(e *schema.Event) {
	if a := x.host(e); a != nil {
		hostAsset.put(e, a)
	}
	for _, f := range endAssets {
		var a *tables.Asset
		if e.Has(f.ip) {
			a = x.t.Addr(e.Addr(f.ip))
		}
		if a == nil && e.Has(f.mac) {
			a = x.t.MAC(e.Str(f.mac))
		}
		if a == nil && e.Has(f.domain) {
			a = x.t.Name(e.Str(f.domain))
		}
		if a != nil {
			f.to.put(e, a)
		}
	}
}

// host finds the machine that the event happened on, by what is surest first.
func (x assets) host(e *schema.Event) *tables.Asset {
	if a := x.t.ID(e.Str(schema.FHostID)); a != nil {
		return a
	}
	for _, f := range []schema.FieldID{schema.FHostName, schema.FHostHostname, schema.FWinlogComputerName} {
		if a := x.t.Name(e.Str(f)); a != nil {
			return a
		}
	}
	for _, v := range e.List(schema.FHostIP) {
		if ip, err := netip.ParseAddr(v); err == nil {
			if a := x.t.Addr(ip); a != nil {
				return a
			}
		}
	}
	for _, v := range e.List(schema.FHostMac) {
		if a := x.t.MAC(v); a != nil {
			return a
		}
	}
	return nil
}

func (f *assetFields) put(e *schema.Event, a *tables.Asset) {
	fill(e, f.name, a.Name)
	fill(e, f.criticality, a.Criticality)
	fill(e, f.owner, a.Owner)
	if f.department != unset {
		fill(e, f.department, a.Department)
	}
	for _, t := range a.Tags {
		e.Add(f.tags, t)
	}
}

// identities puts on events what we know of the people and accounts in them.
type identities struct{ t *tables.Identities }

// Identities returns the part that looks up the acting user and the user acted upon.
func Identities(t *tables.Identities) Part { return identities{t} }

// Enrich implements Part.
func (x identities) Enrich(e *schema.Event) {
	if i := x.find(e, schema.FUserName, schema.FUserDomain, schema.FUserID, schema.FUserEmail); i != nil {
		fill(e, schema.FUserIdentityName, i.Name)
		fill(e, schema.FUserIdentityCriticality, i.Criticality)
		fill(e, schema.FUserIdentityDepartment, i.Department)
		fill(e, schema.FUserFullName, i.FullName)
		privileged(e, schema.FUserIdentityPrivileged, i)
		for _, t := range i.Tags {
			e.Add(schema.FUserIdentityTags, t)
		}
	}
	if i := x.find(e, schema.FUserTargetName, schema.FUserTargetDomain, schema.FUserTargetID, unset); i != nil {
		fill(e, schema.FUserTargetIdentityName, i.Name)
		fill(e, schema.FUserTargetIdentityCriticality, i.Criticality)
		privileged(e, schema.FUserTargetIdentityPrivileged, i)
	}
}

func privileged(e *schema.Event, f schema.FieldID, i *tables.Identity) {
	if i.Privileged {
		e.SetInt(f, 1)
	}
}

// find finds an identity by what is surest first.
func (x identities) find(e *schema.Event, name, domain, id, email schema.FieldID) *tables.Identity {
	if i := x.t.ID(e.Str(id)); i != nil {
		return i
	}
	if email != unset {
		if i := x.t.Email(e.Str(email)); i != nil {
			return i
		}
	}
	if !e.Has(name) {
		return nil
	}
	return x.t.Name(e.Str(name), e.Str(domain))
}

// hashes puts on events what we know of the files in them.
type hashes struct{ t *tables.Hashes }

// Hashes returns the part that looks up executables and files.
func Hashes(t *tables.Hashes) Part { return hashes{t} }

var files = []struct {
	hashes              []schema.FieldID
	name, owner, status schema.FieldID
}{
	{[]schema.FieldID{schema.FProcessHashSha256, schema.FProcessHashSha1, schema.FProcessHashMd5}, schema.FProcessKnownName, schema.FProcessKnownOwner, schema.FProcessKnownStatus},
	{[]schema.FieldID{schema.FFileHashSha256, schema.FFileHashSha1, schema.FFileHashMd5}, schema.FFileKnownName, schema.FFileKnownOwner, schema.FFileKnownStatus},
}

// Enrich implements Part.
func (x hashes) Enrich(e *schema.Event) {
	for i := range files {
		f := &files[i]
		for _, h := range f.hashes {
			if !e.Has(h) {
				continue
			}
			if k := x.t.Find(e.Str(h)); k != nil {
				fill(e, f.name, k.Name)
				fill(e, f.owner, k.Owner)
				fill(e, f.status, k.Status)
				break
			}
		}
	}
}
