package docs_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"
)

// setting is a row of the tables in configuration.md.
type setting struct{ name, value, values string }

var settingRow = regexp.MustCompile("(?m)^\\| `([A-Za-z0-9_.]+)` \\| (.*?) \\| (.*?) \\|")

func settings(t *testing.T) []setting {
	t.Helper()
	var all []setting
	for _, m := range settingRow.FindAllStringSubmatch(read(t, "docs/configuration.md"), -1) {
		for _, name := range named(m[1]) {
			all = append(all, setting{name, strings.Trim(m[2], "`"), m[3]})
		}
	}
	return all
}

var servers = []string{"websocket", "http"}

// named gives the settings that a row is for.
func named(row string) (names []string) {
	if end, ok := strings.CutPrefix(row, "END."); ok {
		return []string{"sink." + end, "transport." + end}
	}
	for word, kinds := range map[string][]string{"SERVER": servers, "KIND": append(servers, "websocket_client")} {
		if strings.Contains(row, "."+word+".") {
			for _, kind := range kinds {
				names = append(names, strings.Replace(row, word, kind, 1))
			}
			return names
		}
	}
	return []string{row}
}

// needed gives the --set that other settings of the block of this one need.
func needed(name string) (args []string) {
	if block, _, ok := strings.Cut(name, ".decode."); ok {
		return []string{"--set=" + block + ".decode.id=id"}
	}
	if block, _, ok := strings.Cut(name, ".tls."); ok {
		return []string{"--set=" + block + ".tls.cert=cert.pem", "--set=" + block + ".tls.key=key.pem"}
	}
	if block, _, ok := strings.Cut(name, ".auth."); ok {
		return []string{"--set=" + block + ".auth.token.NAME.value=0123456789abcdef"}
	}
	return nil
}

const dsn = "--set=sink.mysql.dsn=user:password@tcp(host:3306)/database"

// check runs ingestd check.
func check(args ...string) (string, error) {
	out, err := exec.Command(program, append([]string{"check"}, args...)...).CombinedOutput()
	return string(out), err
}

// comment is what says where a value comes from.
var comment = regexp.MustCompile(` +# \S+$`)

// Every setting that the program has is in the tables, with its default, and no
// other.
func TestSettings(t *testing.T) {
	useTransports(t)
	have := map[string]string{}
	var blocks []string // that there are only where they are written
	for _, server := range servers {
		blocks = append(blocks, needed("transport."+server+".auth.file")...)
	}
	for _, kind := range append(servers, "websocket_client") {
		blocks = append(blocks, needed("transport."+kind+".tls.cert")...)
		blocks = append(blocks, needed("transport."+kind+".decode.id")...)
	}
	edge := append([]string{"--set=sink=nats"}, needed("sink.nats.tls.cert")...)
	reader := append([]string{"--set=sink=stdout", "--set=transport.nats.stream=ingest"}, needed("transport.nats.tls.cert")...)
	for _, args := range [][]string{{"--set=sink=sqlite"}, {"--set=sink=mysql", dsn}, reader, edge} {
		out, err := check(append(args, blocks...)...)
		if err != nil {
			t.Fatalf("check %v: %v\n%s", args, err, out)
		}
		around := []string{""}
		for line := range strings.Lines(out) {
			line = comment.ReplaceAllString(strings.TrimSpace(line), "")
			name, value, assigns := strings.Cut(line, "=")
			block := around[len(around)-1]
			switch {
			case strings.HasPrefix(line, "#"):
			case strings.HasSuffix(line, "{"):
				block += strings.Join(strings.Fields(strings.NewReplacer(`"`, " ", "{", "").Replace(line)), ".") + "."
				around = append(around, block)
			case line == "}":
				around = around[:len(around)-1]
			case assigns:
				have[block+strings.TrimSpace(name)] = strings.TrimSpace(value)
			}
		}
	}
	have["sink.mysql.dsn"] = "required"
	for _, server := range servers {
		for _, name := range []string{"tls.cert", "tls.key", "auth.token.NAME.value", "decode.id"} {
			have["transport."+server+"."+name] = "required"
		}
	}
	for _, name := range []string{"url", "header.NAME.value", "decode.id"} {
		have["transport.websocket_client."+name] = "required"
	}
	for _, block := range []string{"transport.websocket_client", "transport.nats", "sink.nats"} {
		have[block+".tls.cert"], have[block+".tls.key"] = `""`, `""` // both or none
	}
	shown := map[string]bool{}
	for _, s := range settings(t) {
		if shown[s.name] {
			t.Errorf("%s is shown twice", s.name)
		}
		shown[s.name] = true
		if value, ok := have[s.name]; !ok {
			t.Errorf("there is no setting %s", s.name)
		} else if value != s.value {
			t.Errorf("the default of %s is %s, not %s", s.name, value, s.value)
		}
	}
	for name, value := range have {
		// What both servers have is shown of the one.
		same := strings.Replace(name, "transport.http.", "transport.websocket.", 1)
		if !shown[name] && (!shown[same] || have[same] != value) {
			t.Errorf("%s is not shown", name)
		}
	}
}

// useTransports makes a configuration with all transports the one of the test.
func useTransports(t *testing.T) {
	t.Helper()
	t.Chdir(t.TempDir())
	config := `transport "websocket" {}
transport "http" {}
transport "websocket_client" {
  url = "wss://feed.example/v1"
  header "NAME" { value = "value" }
}
`
	if err := os.WriteFile("config.hcl", []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	makeCertificate(t)
}

// makeCertificate makes cert.pem and key.pem, into which "check" looks.
func makeCertificate(t *testing.T) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour)}
	cert, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	for name, block := range map[string]*pem.Block{
		"cert.pem": {Type: "CERTIFICATE", Bytes: cert}, "key.pem": {Type: "PRIVATE KEY", Bytes: private},
	} {
		if err := os.WriteFile(name, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

var (
	atLeast = regexp.MustCompile(`^at least (\d+)([KMG]?i?B?)$`)
	between = regexp.MustCompile(`^(\d+)([KMG]?i?B?) to (\d+)([KMG]?i?B?)$`)
	oneOf   = regexp.MustCompile("^(`[a-z]+` ?)+$")
)

// What the tables say of values is so: the least and the greatest are taken, the
// next ones are not.
func TestRanges(t *testing.T) {
	useTransports(t)
	tried := 0
	for _, s := range settings(t) {
		var good, bad []string
		switch m, n := atLeast.FindStringSubmatch(s.values), between.FindStringSubmatch(s.values); {
		case m != nil:
			good, bad = []string{m[1] + m[2]}, []string{next(m[1], -1) + m[2]}
		case n != nil:
			good = []string{n[1] + n[2], n[3] + n[4]}
			bad = []string{next(n[1], -1) + n[2], next(n[3], +1) + n[4]}
		case s.values == "more than 0":
			good, bad = []string{"1ms"}, []string{"0s", "-1s"}
		case s.values == "0 or more":
			good, bad = []string{"0s"}, []string{"-1s"}
		case oneOf.MatchString(s.values):
			good, bad = strings.Fields(strings.ReplaceAll(s.values, "`", "")), []string{"something"}
		default:
			continue
		}
		tried++
		try := func(value string) (string, error) {
			args := append(needed(s.name), "--set="+s.name+"="+value)
			if strings.HasPrefix(s.name, "sink.mysql.") {
				args = append(args, dsn)
			}
			// Some values need a spool, and a stream cannot be read with one.
			if s.name != "delivery.spool" && !strings.HasPrefix(s.name, "transport.nats.") {
				args = append(args, "--set=delivery.spool=true")
			}
			return check(args...)
		}
		for _, value := range good {
			if out, err := try(value); err != nil {
				t.Errorf("%s = %s is refused:\n%s", s.name, value, out)
			}
		}
		for _, value := range bad {
			if _, err := try(value); err == nil {
				t.Errorf("%s = %s is taken", s.name, value)
			}
		}
	}
	if tried < 20 {
		t.Errorf("only %d settings have a range that this test can read", tried)
	}
}

func next(number string, by int) string {
	n, _ := strconv.Atoi(number)
	return strconv.Itoa(n + by)
}
