package api

// Reloaded is what POST /api/v1/reload answers.
type Reloaded struct {
	Changed      []string `json:"changed"`       // settings, and files that were read anew
	NeedsRestart []string `json:"needs_restart"` // settings that differ and are not in effect
}

// Config is what GET /api/v1/config answers.
type Config struct {
	Source string `json:"source"`
	Text   string `json:"text"` // what is in effect, secrets masked
}

// LogLevel is the body and the answer of PUT /api/v1/log-level.
type LogLevel struct {
	Level string `json:"level"`
}

// Session is what GET /api/v1/session answers: whether a token is needed here, and
// whether this request has shown it.
type Session struct {
	TokenNeeded bool `json:"token_needed"`
	SignedIn    bool `json:"signed_in"`
}
