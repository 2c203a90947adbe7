package hclx

import (
	"errors"
	"fmt"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
)

// value is what an attribute's expression came to.
type value struct {
	cty.Value
	loose bool // from env: a string that may stand for any type
	quote bool // errors may quote it
}

// evaluate gives the value of an attribute's expression. Where it has none, the
// mistake is reported.
func (s *Source) evaluate(name string, expr hcl.Expression, secret bool) (value, bool) {
	v, diags := expr.Value(s.eval)
	if diags.HasErrors() {
		for _, d := range diags {
			s.diags = append(s.diags, s.plainWords(name, expr, d, secret))
		}
		return value{}, false
	}
	v, marks := v.UnmarkDeep()
	if !v.IsWhollyKnown() {
		s.fail(expr.Range(), name+": the value cannot be told", "")
		return value{}, false
	}
	_, found := marks[fromEnv{found: true}]
	return value{v, len(marks) > 0, !found && !secret}, true
}

// plainWords puts d into the words of this program where HCL's own would puzzle,
// and takes out what they quote of a secret.
func (s *Source) plainWords(name string, expr hcl.Expression, d *hcl.Diagnostic, secret bool) *hcl.Diagnostic {
	c := &hcl.Diagnostic{Severity: d.Severity, Summary: d.Summary, Detail: d.Detail, Subject: d.Subject}
	extra, isCall := hcl.DiagnosticExtra[hclsyntax.FunctionCallDiagExtra](d)
	if isCall && extra.FunctionCallError() != nil {
		if call, is := d.Expression.(*hclsyntax.FunctionCallExpr); is {
			c.Subject = call.Range().Ptr()
		}
		err := extra.FunctionCallError()
		c.Summary, c.Detail = err.Error(), ""
		var unset *unsetError
		if errors.As(err, &unset) {
			c.Detail = fmt.Sprintf("Set it, or give a default: env(%q, \"...\").", unset.name)
		}
		return c
	}
	if word, is := expr.(*hclsyntax.ScopeTraversalExpr); is {
		c.Summary = name + ": text stands in quotes"
		c.Detail = ""
		if !secret && len(word.Traversal) == 1 {
			c.Detail = fmt.Sprintf("Write %s = %q.", name, word.Traversal.RootName())
		}
		return c
	}
	if secret {
		c.Detail = "Write it in quotes, or read it with env(\"NAME\")."
	}
	return c
}
