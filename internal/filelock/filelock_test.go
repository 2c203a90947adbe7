package filelock

import (
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"testing"
)

func TestTake(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lock")
	f, err := Take(path, "to test")
	if err != nil {
		t.Fatal(err)
	}
	var used *InUseError
	if _, err := Take(path, "to test"); !errors.As(err, &used) || used.Holder != strconv.Itoa(os.Getpid()) || used.Purpose != "to test" {
		t.Errorf("taken twice: %v", err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	f, err = Take(path, "to test")
	if err != nil {
		t.Fatalf("after it was given back: %v", err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := Take(filepath.Join(path, "below"), ""); err == nil {
		t.Errorf("where no file can be: %v", err)
	}
}
