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
