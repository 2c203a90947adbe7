package hclx

import (
	"errors"
	"fmt"
	"os"
	"regexp"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/function"
)

// fromEnv marks what env returned. A value that was found in the environment is
// not quoted in errors: any of them may be a secret put in the wrong place.
type fromEnv struct{ found bool }

var envName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

func evalContext() *hcl.EvalContext {
	return &hcl.EvalContext{Functions: map[string]function.Function{"env": envFunction()}}
}

// unsetError says that env names a variable that is not there.
type unsetError struct{ name string }

func (e *unsetError) Error() string {
	return fmt.Sprintf("The environment variable %q is not set", e.name)
}

var (
	errEnvArgs = errors.New("env takes the name of a variable and, if wanted, one default")
	errEnvName = errors.New("env takes the name of a variable: letters, digits and _")
)

// envFunction is env("NAME") and env("NAME", "default"). A variable that is set
// to nothing is set.
func envFunction() function.Function {
	return function.New(&function.Spec{
		Params:   []function.Parameter{{Name: "name", Type: cty.String}},
		VarParam: &function.Parameter{Name: "default", Type: cty.String},
		Type:     function.StaticReturnType(cty.String),
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			if len(args) > 2 {
				return cty.NilVal, errEnvArgs
			}
			name := args[0].AsString()
			if !envName.MatchString(name) {
				return cty.NilVal, errEnvName
			}
			if v, ok := os.LookupEnv(name); ok {
				return cty.StringVal(v).Mark(fromEnv{found: true}), nil
			}
			if len(args) == 2 {
				return args[1].Mark(fromEnv{}), nil
			}
			return cty.NilVal, &unsetError{name}
		},
	})
}
