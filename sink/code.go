package sink

// WithCode gives err the database's own short form of it, which
// [engine.ErrorCode] finds. It returns err itself where there is none.
//
// [engine.ErrorCode]: https://pkg.go.dev/github.com/ingestd/ingestd/engine#ErrorCode
func WithCode(err error, code string) error {
	if err == nil || code == "" {
		return err
	}
	return &codedError{err, code}
}

type codedError struct {
	err  error
	code string
}

func (e *codedError) Error() string     { return e.err.Error() }
func (e *codedError) Unwrap() error     { return e.err }
func (e *codedError) ErrorCode() string { return e.code }
