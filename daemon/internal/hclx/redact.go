package hclx

import (
	"reflect"
	"strings"
)

// mask stands for a secret.
const mask = "********"

// leastSecret is how long a secret is at the least. To take shorter ones out would
// leave no word readable.
const leastSecret = 3

// Redact takes secrets out of a text: each as a whole, and the password in one
// of the form user:password@somewhere.
func Redact(text string, secrets ...string) string {
	for _, s := range secrets {
		for _, part := range []string{s, password(s)} {
			if len(part) >= leastSecret {
				text = strings.ReplaceAll(text, part, mask)
			}
		}
	}
	return text
}

func password(dsn string) string {
	user, _, ok := cutLast(dsn, "@")
	if !ok {
		return ""
	}
	if _, rest, ok := strings.Cut(user, "://"); ok {
		user = rest
	}
	_, pass, _ := strings.Cut(user, ":")
	return pass
}

func cutLast(s, sep string) (before, after string, ok bool) {
	if i := strings.LastIndex(s, sep); i >= 0 {
		return s[:i], s[i+len(sep):], true
	}
	return s, "", false
}

// Secrets lists the secrets in a configuration struct.
func Secrets(config any) []string {
	var found []string
	for _, f := range fieldsOf(reflect.ValueOf(config)) {
		switch {
		case f.block && f.value.Kind() == reflect.Slice:
			for i := range f.value.Len() {
				found = append(found, Secrets(f.value.Index(i).Interface())...)
			}
		case f.block:
			found = append(found, Secrets(f.value.Interface())...)
		case isSecret(f.value.Type()):
			found = append(found, secretsOf(f.value)...)
		}
	}
	return found
}

// secretsOf gives what is in a secret, or in a list of them.
func secretsOf(v reflect.Value) []string {
	if v.Kind() == reflect.Slice {
		var all []string
		for i := range v.Len() {
			all = append(all, secretsOf(v.Index(i))...)
		}
		return all
	}
	if v.String() == "" {
		return nil
	}
	return []string{v.String()}
}
