package engine

import (
	"errors"
	"fmt"
)

var (
	// ErrClosed is returned by Route once a drain has begun.
	ErrClosed = errors.New("the engine is draining and takes no more messages")

	// ErrTooManyStreams is returned by Route for a new ID while MaxStreams
	// streams are live and none of them is idle.
	ErrTooManyStreams = errors.New("too many live streams")

	// ErrOverloaded is returned by Route while MaxPending bytes are pending, if
	// Options.RejectWhenFull is set.
	ErrOverloaded = errors.New("too much is pending")

	// ErrUndelivered is what Settled hears of messages that could not be stored
	// before a drain had to end.
	ErrUndelivered = errors.New("not stored before the shutdown timeout")

	// ErrFenced is what Settled hears of messages whose [Lease] was lost before they
	// were stored: whoever may store them now has to.
	ErrFenced = errors.New("its lease was lost before it was stored")

	// ErrConflict is the permanent error for a message whose key (ID, Seq,
	// Client) is stored already with another Op, Code or Data.
	ErrConflict = Permanent(errors.New("this client already stored something else under this id and seq"))
)

// permanentError marks an error as one that no retry can mend.
type permanentError struct{ err error }

func (e *permanentError) Error() string { return e.err.Error() }
func (e *permanentError) Unwrap() error { return e.err }

// Permanent marks err: some message is refused for good, and writing it again
// cannot help. It returns nil for nil.
func Permanent(err error) error {
	if err == nil {
		return nil
	}
	return &permanentError{err}
}

// IsPermanent tells whether err, or one that it wraps, was made by [Permanent] or
// [Reject].
func IsPermanent(err error) bool {
	var p *permanentError
	var r *RejectError
	return errors.As(err, &p) || errors.As(err, &r)
}

// ErrorCode gives the short form of err, of which tables and filters can be made:
// "conflict" for [ErrConflict]; otherwise what the method ErrorCode() string says
// of err, or of an error that it wraps, where there is one, like the number that a
// database gives its errors; otherwise "".
func ErrorCode(err error) string {
	if errors.Is(err, ErrConflict) {
		return "conflict"
	}
	var coded interface{ ErrorCode() string }
	if errors.As(err, &coded) {
		return coded.ErrorCode()
	}
	return ""
}

// RejectError names the one message of a Write that is refused for good.
type RejectError struct {
	Batch   int   // the index of its batch
	Message int   // its index in the batch; len(Messages) names the batch's Final
	Err     error // why
}

func (e *RejectError) Error() string {
	return fmt.Sprintf("message %d of batch %d: %v", e.Message, e.Batch, e.Err)
}

func (e *RejectError) Unwrap() error { return e.Err }

// Reject says that message j of batch i is refused for good, because of err.
// j = len(Messages) names the batch's Final.
func Reject(i, j int, err error) error { return &RejectError{Batch: i, Message: j, Err: err} }

// blockedError marks an error as one that an operator must mend.
type blockedError struct{ err error }

func (e *blockedError) Error() string { return e.err.Error() }
func (e *blockedError) Unwrap() error { return e.err }

// Blocked marks err: nothing can be stored until an operator acts. It returns nil
// for nil.
func Blocked(err error) error {
	if err == nil {
		return nil
	}
	return &blockedError{err}
}

// IsBlocked tells whether err, or one that it wraps, was made by [Blocked].
func IsBlocked(err error) bool {
	var b *blockedError
	return errors.As(err, &b)
}
