package expr

import (
	"strings"

	"github.com/google/cel-go/cel"
	"github.com/google/cel-go/common/types"
	"github.com/google/cel-go/common/types/ref"
)

// TextFunctions are the functions that expressions with variables of their own have besides:
// they take a text apart, and none of them multiplies it.
func TextFunctions() []Function {
	return []Function{
		{"lower", "text.lower()", "The text in small letters.", []string{`text.lower() == 'get /a?b=c'`}},
		{"upper", "text.upper()", "The text in capital letters.", []string{`text.upper() == 'GET /A?B=C'`}},
		{"trim", "text.trim()", "The text without white space at its ends.", []string{`(' ' + text + ' ').trim() == text`}},
		{"before", "text.before(text)", "What stands before the first place where the argument stands; the whole text when it stands nowhere.", []string{`text.before('?') == 'GET /a'`, `text.before('#') == text`}},
		{"after", "text.after(text)", "What stands behind the first place where the argument stands; nothing when it stands nowhere.", []string{`text.after('?') == 'b=c'`, `text.after('#') == ''`}},
	}
}

// textDeclarations declares them.
func textDeclarations() []cel.EnvOption {
	var opts []cel.EnvOption
	for name, fn := range map[string]func(string) string{"lower": strings.ToLower, "upper": strings.ToUpper, "trim": strings.TrimSpace} {
		opts = append(opts, cel.Function(name, cel.MemberOverload(name+"_text", []*cel.Type{cel.StringType}, cel.StringType, cel.UnaryBinding(func(v ref.Val) ref.Val {
			s, ok := v.(types.String)
			if !ok {
				return types.MaybeNoSuchOverloadErr(v)
			}
			return types.String(fn(string(s)))
		}))))
	}
	for name, fn := range map[string]func(s, sep string) string{"before": before, "after": after} {
		opts = append(opts, cel.Function(name, cel.MemberOverload(name+"_text", []*cel.Type{cel.StringType, cel.StringType}, cel.StringType, cel.BinaryBinding(func(v, sep ref.Val) ref.Val {
			s, ok := v.(types.String)
			by, ok2 := sep.(types.String)
			if !ok || !ok2 {
				return types.MaybeNoSuchOverloadErr(v)
			}
			return types.String(fn(string(s), string(by)))
		}))))
	}
	return opts
}

func before(s, sep string) string {
	head, _, _ := strings.Cut(s, sep)
	return head
}

func after(s, sep string) string {
	_, tail, _ := strings.Cut(s, sep)
	return tail
}

func textFunctionNames() (names []string) {
	for _, f := range TextFunctions() {
		names = append(names, f.Name)
	}
	return names
}
