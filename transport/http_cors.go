package transport

import "net/http"

const allowedMethods = "POST, OPTIONS"

// tellOrigin lets a browser show the answer to the page, where the page may send.
func (h *HTTP) tellOrigin(header http.Header, r *http.Request) {
	header.Add("Vary", "Origin")
	origin := r.Header.Get("Origin")
	if origin == "" || !h.gate.allowsOrigin(r) {
		return
	}
	header.Set("Access-Control-Allow-Origin", origin)
	header.Set("Access-Control-Expose-Headers", "Retry-After")
}

// options answers OPTIONS. A browser asks so, and shows no token, before it lets a
// page of another origin send.
func (h *HTTP) options(rw http.ResponseWriter, r *http.Request) *refusal {
	header := rw.Header()
	header.Set("Allow", allowedMethods)
	if r.Header.Get("Access-Control-Request-Method") != "" {
		if header.Get("Access-Control-Allow-Origin") == "" {
			return &refusal{
				status: http.StatusForbidden,
				text:   "pages of this origin may not send: the setting origins lists those that may",
			}
		}
		header.Set("Access-Control-Allow-Methods", http.MethodPost)
		header.Set("Access-Control-Allow-Headers", "Authorization, Content-Type, Content-Encoding")
		header.Set("Access-Control-Max-Age", "600")
	}
	h.writeBy(rw)
	rw.WriteHeader(http.StatusNoContent)
	return nil
}
