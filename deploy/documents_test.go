package deploy

import (
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var link = regexp.MustCompile(`\]\(([^)#\s]+)`)

// The documents of the archives and packages lead to one another, and to nothing that
// is not there.
func TestDocuments(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "doc")
	collect := exec.Command("../tools/dist.sh", "documents")
	collect.Env = append(os.Environ(), "DOC="+dir)
	if text, err := collect.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	inside := 0
	err := filepath.WalkDir(dir, func(path string, _ fs.DirEntry, err error) error {
		if err != nil || filepath.Ext(path) != ".md" {
			return err
		}
		text, err := os.ReadFile(path)
		for _, m := range link.FindAllSubmatch(text, -1) {
			target, outside := strings.CutPrefix(string(m[1]), "https://github.com/ingestd/ingestd/blob/main/")
			switch {
			case outside: // in the repository
				target = filepath.Join("..", target)
			case strings.Contains(target, "://"):
				continue
			default:
				inside++
				target = filepath.Join(filepath.Dir(path), target)
			}
			if _, err := os.Stat(target); err != nil {
				t.Errorf("%s: %v", path, err)
			}
		}
		return err
	})
	if err != nil || inside < 50 {
		t.Errorf("%d links lead from one document to another: %v", inside, err)
	}
	for _, name := range []string{
		"README.md", "docs/troubleshooting.md", "docs/images/dashboard-dark.png", "deploy/README.md",
		"deploy/prometheus/alerts.yaml", "deploy/grafana/dashboard.json", "examples/feed/config.hcl",
	} {
		if _, err := os.Stat(filepath.Join(dir, name)); err != nil {
			t.Error(err)
		}
	}
	const tree = `\{src: (bin/host/doc), dst: /usr/share/doc/ingestd, type: tree\}`
	find(t, "package/nfpm.yaml", tree)
	find(t, "../.goreleaser.yaml", tree)
}

// The deb starts its service where it was installed again after a removal, of which
// the configuration was left: then postinst is told a version, as in an upgrade.
func TestPostinstStarts(t *testing.T) {
	for args, want := range map[string]string{
		"configure":       "start ingestd.service",
		"configure 1.0.0": "restart ingestd.service",
	} {
		dir := t.TempDir()
		script, err := os.ReadFile("package/deb/postinst")
		if err != nil {
			t.Fatal(err)
		}
		told := filepath.Join(dir, "told")
		for name, text := range map[string]string{
			"postinst":           strings.ReplaceAll(string(script), "/run/systemd/system", dir),
			"deb-systemd-invoke": "#!/bin/sh\necho \"$*\" >>" + told + "\n",
			"deb-systemd-helper": "#!/bin/sh\n",
			"systemctl":          "#!/bin/sh\n",
			"getent":             "#!/bin/sh\n",
			"chown":              "#!/bin/sh\n",
			"install":            "#!/bin/sh\n",
		} {
			if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o700); err != nil {
				t.Fatal(err)
			}
		}
		run := exec.Command("sh", append([]string{filepath.Join(dir, "postinst")}, strings.Fields(args)...)...)
		run.Env = append(os.Environ(), "PATH="+dir+":"+os.Getenv("PATH"))
		if text, err := run.CombinedOutput(); err != nil {
			t.Errorf("%s: %v\n%s", args, err, text)
		}
		if got, _ := os.ReadFile(told); strings.TrimSpace(string(got)) != want {
			t.Errorf("%s: deb-systemd-invoke is told %q, not %q", args, got, want)
		}
	}
}
