package api

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/ingestd/ingestd/deadletters"
)

// Error is an answer that is not 2xx.
type Error struct {
	Status int
	Text   string // for a person
}

func (e *Error) Error() string { return e.Text }

// Client asks an admin server. Make it with [NewClient]; it is safe for concurrent
// use.
type Client struct {
	base  *url.URL
	token string
	http  *http.Client
}

// NewClient makes a client of the server at base, like http://127.0.0.1:7002. token
// may be empty.
func NewClient(base, token string) (*Client, error) {
	u, err := url.Parse(strings.TrimRight(base, "/"))
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.User != nil || u.RawQuery != "" {
		return nil, errors.New("the address of the admin server must be like http://127.0.0.1:7002")
	}
	return &Client{u, token, &http.Client{
		Transport: http.DefaultTransport.(*http.Transport).Clone(),
		// The server sends none, and the token is for nobody else.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}, nil
}

// URL is where the server is.
func (c *Client) URL() string { return c.base.String() }

// Close closes the connections that are not in use.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// Status asks for the status.
func (c *Client) Status(ctx context.Context) (*Status, error) {
	return get[Status](ctx, c, "status", nil)
}

// History asks for the last 15 minutes.
func (c *Client) History(ctx context.Context) (*History, error) {
	return get[History](ctx, c, "history", nil)
}

// Streams asks for the n busiest streams; 0: as many as the server thinks fit.
func (c *Client) Streams(ctx context.Context, n int) (*Streams, error) {
	return get[Streams](ctx, c, "streams", optional(nil, "n", n))
}

// Stream asks for a stream with its last messages; 0: as many as the server thinks
// fit. One that is not known is an [Error] of status 404.
func (c *Client) Stream(ctx context.Context, id string, messages int) (*Stream, error) {
	return get[Stream](ctx, c, "stream", optional(url.Values{"id": {id}}, "messages", messages))
}

// DeadLetters asks for a page of letters.
func (c *Client) DeadLetters(ctx context.Context, p LetterPage) (*DeadLetters, error) {
	return get[DeadLetters](ctx, c, "dead-letters", p.query())
}

// DeadLetter asks for one letter, with its data.
func (c *Client) DeadLetter(ctx context.Context, number int64) (deadletters.Letter, error) {
	text, err := get[json.RawMessage](ctx, c, "dead-letters/"+strconv.FormatInt(number, 10), nil)
	if err != nil {
		return deadletters.Letter{}, err
	}
	return ParseLetter(*text)
}

// ReplayOutcome asks what has become of the letters of a replay.
func (c *Client) ReplayOutcome(ctx context.Context, request int64) (*ReplayOutcome, error) {
	return get[ReplayOutcome](ctx, c, "dead-letters/replays/"+strconv.FormatInt(request, 10), nil)
}

// Replay asks for letters to be sent again, which takes its time.
func (c *Client) Replay(ctx context.Context, which LetterChoice) (*LettersChanged, error) {
	return send[LettersChanged](ctx, c, http.MethodPost, "dead-letters/replay", which)
}

// Discard deletes letters.
func (c *Client) Discard(ctx context.Context, which LetterChoice) (*LettersChanged, error) {
	return send[LettersChanged](ctx, c, http.MethodPost, "dead-letters/discard", which)
}

// Reload makes the daemon read its configuration again. Mistakes in it are an
// [Error] of status 422, and change nothing.
func (c *Client) Reload(ctx context.Context) (*Reloaded, error) {
	return send[Reloaded](ctx, c, http.MethodPost, "reload", nil)
}

// Config asks for the configuration in effect.
func (c *Client) Config(ctx context.Context) (*Config, error) {
	return get[Config](ctx, c, "config", nil)
}

// SetLogLevel sets the log's level until the next reload.
func (c *Client) SetLogLevel(ctx context.Context, level string) error {
	_, err := send[LogLevel](ctx, c, http.MethodPut, "log-level", LogLevel{level})
	return err
}

func optional(q url.Values, name string, n int) url.Values {
	if n > 0 {
		if q == nil {
			q = url.Values{}
		}
		q.Set(name, strconv.Itoa(n))
	}
	return q
}

func get[T any](ctx context.Context, c *Client, path string, query url.Values) (*T, error) {
	return ask[T](ctx, c, http.MethodGet, path, query, nil)
}

func send[T any](ctx context.Context, c *Client, method, path string, body any) (*T, error) {
	return ask[T](ctx, c, method, path, nil, body)
}

func ask[T any](ctx context.Context, c *Client, method, path string, query url.Values, body any) (*T, error) {
	answer, err := c.do(ctx, method, path, query, body)
	if err != nil {
		return nil, err
	}
	defer func() { _ = answer.Close() }()
	t := new(T)
	if err := json.NewDecoder(io.LimitReader(answer, mostAnswer)).Decode(t); err != nil {
		return nil, fmt.Errorf("read the answer of %s: %w", c.base, err)
	}
	return t, nil
}

// do sends a request and gives the body of an answer that is 2xx.
func (c *Client) do(ctx context.Context, method, path string, query url.Values, body any) (io.ReadCloser, error) {
	u := c.base.JoinPath("api", "v1", path)
	u.RawQuery = query.Encode()
	var content io.Reader
	if body != nil {
		text, err := json.Marshal(body)
		if err != nil {
			return nil, err
		}
		content = bytes.NewReader(text)
	}
	r, err := http.NewRequestWithContext(ctx, method, u.String(), content)
	if err != nil {
		return nil, err
	}
	if content != nil {
		r.Header.Set("Content-Type", "application/json")
	}
	if c.token != "" {
		r.Header.Set("Authorization", "Bearer "+c.token)
	}
	resp, err := c.http.Do(r)
	if err != nil {
		// The client's own text repeats the whole URL.
		if e, is := errors.AsType[*url.Error](err); is {
			err = e.Err
		}
		return nil, fmt.Errorf("ask %s: %w", c.base, err)
	}
	if resp.StatusCode/100 != 2 {
		defer func() { _ = resp.Body.Close() }()
		return nil, errorOf(resp)
	}
	return resp.Body, nil
}

// mostAnswer and mostError bound what is read of an answer. A dead letter may have
// 64 MiB, a third more in base64.
const (
	mostAnswer = 128 << 20
	mostError  = 1 << 20
)

func errorOf(resp *http.Response) error {
	text, _ := io.ReadAll(io.LimitReader(resp.Body, mostError))
	var said struct {
		Error string `json:"error"`
	}
	if json.Unmarshal(text, &said) != nil || said.Error == "" {
		said.Error = "it is no admin server of ingestd that answers: " + resp.Status
	}
	return &Error{resp.StatusCode, said.Error}
}
