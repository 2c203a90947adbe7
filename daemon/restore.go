package daemon

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/ingestd/ingestd/engine"
)

// restoreName is the file in the data directory with the token that files of
// undelivered messages carry, by which they are known when they are sent again.
const restoreName = "restore-token"

// restoreToken reads the token, or makes one.
func restoreToken(dir string) (engine.Secret, error) {
	path := filepath.Join(dir, restoreName)
	text, err := os.ReadFile(path)
	if token := strings.TrimSpace(string(text)); err == nil && token != "" {
		return engine.Secret(token), nil
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", fmt.Errorf("read the token for restoring: %w", err)
	}
	token := rand.Text()
	if err := writeFile(path, token+"\n"); err != nil {
		return "", fmt.Errorf("make the token for restoring: %w", err)
	}
	return engine.Secret(token), nil
}

// writeFile makes a file that only its owner can read. Its name is made durable by
// whoever first writes a file that carries the token: both are in one directory.
func writeFile(path, text string) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = f.WriteString(text)
	if err == nil {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
}
