package browser

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

type object = map[string]any

// tab is a page in a window of its own, with cookies of its own. What goes wrong in
// it, an error of a script or a refused resource, fails its test.
type tab struct {
	t       *testing.T
	session string

	mu       sync.Mutex
	troubles []string
	expected []string        // parts of troubles that are none
	open     map[string]bool // requests for events that are under way
	most     int             // of these, at once
}

// open opens a tab of that size, in a theme of the system.
func open(t *testing.T, url string, width, height int, theme string) *tab {
	t.Helper()
	chromium.start(t)
	b := &tab{t: t, open: make(map[string]bool)}
	var made struct{ BrowserContextID, TargetID, SessionID string }
	must := func(method string, params object) {
		t.Helper()
		if err := chromium.call("", method, params, &made); err != nil {
			t.Fatal(err)
		}
	}
	must("Target.createBrowserContext", nil)
	must("Target.createTarget", object{"url": "about:blank", "browserContextId": made.BrowserContextID, "newWindow": true})
	must("Target.attachToTarget", object{"targetId": made.TargetID, "flatten": true})
	b.session = made.SessionID
	chromium.mu.Lock()
	chromium.tabs[b.session] = b
	chromium.mu.Unlock()
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("the page said last:\n%s", b.text("body"))
		}
		_ = chromium.call("", "Target.disposeBrowserContext", object{"browserContextId": made.BrowserContextID}, nil)
		b.mu.Lock()
		defer b.mu.Unlock()
		for _, trouble := range b.troubles {
			if !slices.ContainsFunc(b.expected, func(e string) bool { return strings.Contains(trouble, e) }) {
				t.Errorf("in the page: %s", trouble)
			}
		}
	})
	for _, domain := range []string{"Runtime", "Log", "Page", "Network"} {
		b.call(domain+".enable", nil, nil)
	}
	b.call("Emulation.setFocusEmulationEnabled", object{"enabled": true}, nil)
	b.size(width, height)
	b.theme(theme)
	b.visit(url)
	return b
}

// expect tells that such troubles are part of the test.
func (b *tab) expect(troubles ...string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.expected = append(b.expected, troubles...)
}

func (b *tab) event(method string, params json.RawMessage) {
	b.mu.Lock()
	defer b.mu.Unlock()
	var p struct {
		RequestID string
		Request   struct{ URL string }
		Entry     struct{ Level, Text, URL string }
		Exception struct {
			Text      string
			Exception struct{ Description string }
		} `json:"exceptionDetails"`
		Message string
	}
	if json.Unmarshal(params, &p) != nil {
		return
	}
	switch method {
	case "Runtime.exceptionThrown":
		b.troubles = append(b.troubles, p.Exception.Text+" "+p.Exception.Exception.Description)
	case "Log.entryAdded":
		if p.Entry.Level == "error" {
			b.troubles = append(b.troubles, p.Entry.Text+" "+p.Entry.URL)
		}
	case "Page.javascriptDialogOpening":
		b.troubles = append(b.troubles, "a script was injected: "+p.Message)
	case "Network.requestWillBeSent":
		if strings.Contains(p.Request.URL, "/api/v1/events") {
			b.open[p.RequestID] = true
			b.most = max(b.most, len(b.open))
		}
	case "Network.loadingFinished", "Network.loadingFailed":
		delete(b.open, p.RequestID)
	}
}

// events is how many streams of events are open, and how many were at once.
func (b *tab) events() (now, most int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.open), b.most
}

func (b *tab) call(method string, params object, result any) {
	b.t.Helper()
	if err := chromium.call(b.session, method, params, result); err != nil {
		b.t.Fatal(err)
	}
}

func (b *tab) size(width, height int) {
	b.t.Helper()
	b.call("Emulation.setDeviceMetricsOverride", object{"width": width, "height": height, "deviceScaleFactor": 1, "mobile": false}, nil)
}

// theme sets that of the system. Nothing moves in tests.
func (b *tab) theme(name string) {
	b.t.Helper()
	b.call("Emulation.setEmulatedMedia", object{"features": []object{
		{"name": "prefers-color-scheme", "value": name}, {"name": "prefers-reduced-motion", "value": "reduce"},
	}}, nil)
}

func (b *tab) visit(url string) {
	b.t.Helper()
	b.call("Page.navigate", object{"url": url}, nil)
	b.wait("the page is there", `location.href.startsWith(`+quote(url)+`) && document.readyState === "complete"`)
}

// eval gives the value of an expression, for which it waits where it is a promise.
func eval[T any](b *tab, expression string) (value T) {
	b.t.Helper()
	var answer struct {
		Result    struct{ Value json.RawMessage }
		Exception *struct {
			Text      string
			Exception struct{ Description string }
		} `json:"exceptionDetails"`
	}
	b.call("Runtime.evaluate", object{"expression": expression, "awaitPromise": true, "returnByValue": true}, &answer)
	if answer.Exception != nil {
		b.t.Fatalf("%s: %s %s", expression, answer.Exception.Text, answer.Exception.Exception.Description)
	}
	if len(answer.Result.Value) > 0 {
		if err := json.Unmarshal(answer.Result.Value, &value); err != nil {
			b.t.Fatalf("%s: %v", expression, err)
		}
	}
	return value
}

// wait waits until an expression is true.
func (b *tab) wait(what, expression string) {
	b.t.Helper()
	until(b.t, what, func() bool { return eval[bool](b, "Boolean("+expression+")") })
}

// until waits for what is sure to come.
func until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	deadline := time.After(*patience)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("in vain: %s", what)
		}
	}
}

func quote(text string) string {
	out, _ := json.Marshal(text) // a string can be encoded
	return string(out)
}

// find is the expression for the first element that a selector selects.
func find(selector string) string { return "document.querySelector(" + quote(selector) + ")" }

// text is what an element shows.
func (b *tab) text(selector string) string {
	b.t.Helper()
	return eval[string](b, find(selector)+"?.innerText ?? ''")
}

// says waits until an element shows a text.
func (b *tab) says(selector, text string) {
	b.t.Helper()
	b.wait(selector+" says "+text, find(selector)+"?.checkVisibility() && "+find(selector)+".innerText.includes("+quote(text)+")")
}

// gone waits until an element is not shown.
func (b *tab) gone(selector string) {
	b.t.Helper()
	b.wait(selector+" is gone", "!"+find(selector)+"?.checkVisibility()")
}

// click clicks with the mouse, where the element is.
func (b *tab) click(selector string) {
	b.t.Helper()
	b.wait(selector+" can be clicked", find(selector)+"?.checkVisibility() && !"+find(selector)+".disabled")
	var at []float64
	until(b.t, selector+" is where the pointer is", func() bool { // the page may move
		at = eval[[]float64](b, fmt.Sprintf(`(() => { const e = %s; e.scrollIntoView({block: "center", behavior: "instant"});
			const r = e.getBoundingClientRect(), at = [r.x + r.width / 2, r.y + r.height / 2];
			return e.contains(document.elementFromPoint(...at)) ? at : [] })()`, find(selector)))
		return len(at) == 2
	})
	for _, kind := range []string{"mouseMoved", "mousePressed", "mouseReleased"} {
		b.mouse(kind, at[0], at[1])
	}
}

func (b *tab) mouse(kind string, x, y float64) {
	b.t.Helper()
	button := "left"
	if kind == "mouseMoved" {
		button = "none"
	}
	b.call("Input.dispatchMouseEvent", object{"type": kind, "x": x, "y": y, "button": button, "clickCount": 1}, nil)
}

// write puts text in the place of what a field holds, as typing does.
func (b *tab) write(selector, text string) {
	b.t.Helper()
	b.click(selector)
	eval[any](b, find(selector)+".select()")
	b.key("Delete")
	b.call("Input.insertText", object{"text": text}, nil)
}

// key presses a key. "Shift+" may stand before it.
func (b *tab) key(name string) {
	b.t.Helper()
	name, shift := strings.CutPrefix(name, "Shift+")
	code := map[string]int{
		"Tab": 9, "Enter": 13, "Escape": 27, " ": 32, "Home": 36, "End": 35, "ArrowLeft": 37, "ArrowRight": 39, "Delete": 46,
	}[name]
	params := object{"type": "keyDown", "key": name, "code": name, "windowsVirtualKeyCode": code}
	switch name {
	case "Enter":
		params["text"] = "\r"
	case " ":
		params["text"] = " "
	}
	if code == 0 {
		b.t.Fatalf("no code for the key %q", name)
	}
	if shift {
		params["modifiers"] = 8
	}
	b.call("Input.dispatchKeyEvent", params, nil)
	params["type"] = "keyUp"
	delete(params, "text")
	b.call("Input.dispatchKeyEvent", params, nil)
}

// picture is a PNG of what is seen, or of the whole page.
func (b *tab) picture(whole bool) []byte {
	b.t.Helper()
	var shot struct{ Data string }
	params := object{"format": "png", "optimizeForSpeed": false}
	if whole {
		eval[any](b, "scrollTo({ top: 0, behavior: 'instant' })")
		height := eval[int](b, "document.documentElement.scrollHeight")
		width := eval[int](b, "document.documentElement.clientWidth")
		params["captureBeyondViewport"] = true
		params["clip"] = object{"x": 0, "y": 0, "width": width, "height": height, "scale": 1}
	}
	b.call("Page.captureScreenshot", params, &shot)
	image, err := base64.StdEncoding.DecodeString(shot.Data)
	if err != nil {
		b.t.Fatal(err)
	}
	return image
}
