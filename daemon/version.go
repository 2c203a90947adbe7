package daemon

import (
	"cmp"
	"encoding/json"
	"fmt"
	"runtime"
	"runtime/debug"
)

// modulePath is this module's, which a custom build has among its dependencies.
const modulePath = "github.com/ingestd/ingestd"

// release is the version where the build says it, with
//
//	-ldflags "-X github.com/ingestd/ingestd/daemon.release=v1.2.3"
//
// for sources that are in no repository. Otherwise Go takes it from the repository.
var release string

// version is what the program knows of its own making.
type version struct {
	Version  string `json:"version"`
	Commit   string `json:"commit,omitempty"`
	Date     string `json:"date,omitempty"`     // of the commit
	Modified bool   `json:"modified,omitempty"` // not quite that commit
	Go       string `json:"go"`
	OS       string `json:"os"`
	Arch     string `json:"arch"`
}

func currentVersion() version {
	v := version{Version: "(devel)", Go: runtime.Version(), OS: runtime.GOOS, Arch: runtime.GOARCH}
	info, ok := debug.ReadBuildInfo()
	if ok {
		v.read(info)
	}
	v.Version = cmp.Or(release, v.Version)
	return v
}

// read takes what Go has noted of the build.
func (v *version) read(info *debug.BuildInfo) {
	for _, m := range append(info.Deps, &info.Main) {
		if m.Path == modulePath && m.Version != "" {
			v.Version = m.Version
		}
	}
	for _, s := range info.Settings {
		switch s.Key {
		case "vcs.revision":
			v.Commit = s.Value
		case "vcs.time":
			v.Date = s.Value
		case "vcs.modified":
			v.Modified = s.Value == "true"
		}
	}
}

func (v version) String() string {
	commit := v.Commit
	switch {
	case commit == "":
		commit = "unknown"
	case v.Modified:
		commit += " with changes"
	}
	if v.Date != "" {
		commit += " of " + v.Date
	}
	return fmt.Sprintf("ingestd %s, commit %s, %s, %s/%s", v.Version, commit, v.Go, v.OS, v.Arch)
}

type versionCommand struct {
	JSON bool `name:"json" help:"As a JSON object."`
}

func (c *versionCommand) Run(a *app) error {
	v := currentVersion()
	if c.JSON {
		return json.NewEncoder(a.stdout).Encode(v)
	}
	_, err := fmt.Fprintln(a.stdout, v)
	return err
}
