package posture

import (
	_ "embed"
	"strings"
	"sync"
)

// attack.txt lists the techniques of MITRE ATT&CK for Enterprise: id, name, tactics.
// ATT&CK is a registered trademark of The MITRE Corporation.
//
//go:embed attack.txt
var attackText string

// technique is a row of attack.txt.
type technique struct {
	name    string
	tactics []string
}

// Tactics returns the tactics of ATT&CK for Enterprise in the order of an attack.
func Tactics() []string {
	return []string{"reconnaissance", "resource-development", "initial-access", "execution", "persistence", "privilege-escalation", "defense-evasion",
		"credential-access", "discovery", "lateral-movement", "collection", "command-and-control", "exfiltration", "impact"}
}

// renamed are techniques that editions of ATT&CK call otherwise than attack.txt does: those
// revoked before it, and those that edition 19 made of "Impair Defenses".
var renamed = map[string]string{
	"T1053.001": "T1053.002", "T1178": "T1134.005", "T1186": "T1055.013", "T1547.011": "T1647", "T1574.002": "T1574.001",
	"T1685": "T1562.001", "T1685.001": "T1562.002", "T1685.002": "T1562.008", "T1685.003": "T1562.011", "T1685.004": "T1562.012",
	"T1685.005": "T1070.001", "T1685.006": "T1070.002", "T1686": "T1562.004", "T1686.001": "T1562.007", "T1686.002": "T1562.013",
	"T1686.003": "T1562.004", "T1688": "T1562.009", "T1689": "T1562.010", "T1690": "T1562.003",
}

// Canonical returns a technique by the name that our list has for it.
func Canonical(technique string) string {
	if t, ok := renamed[technique]; ok {
		return t
	}
	return technique
}

// TacticsOf returns the tactics of a technique, of its parent for a sub-technique; nil when
// the technique is not known.
func TacticsOf(technique string) []string { return attack()[parent(Canonical(technique))].tactics }

// attack returns the techniques by id.
var attack = sync.OnceValue(func() map[string]technique {
	out := map[string]technique{}
	for line := range strings.Lines(attackText) {
		f := strings.Split(strings.TrimSpace(line), "\t")
		if len(f) == 3 {
			out[f[0]] = technique{f[1], strings.Split(f[2], ",")}
		}
	}
	return out
})
