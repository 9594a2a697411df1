package main

import (
	"embed"
	"errors"
	"fmt"
	"html/template"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

//go:embed pages
var pages embed.FS

const (
	versionHeader = "X-Shop-Version"
	basketCookie  = "basket"
	formLimit     = 64 << 10 // bytes
)

// shop answers its customers.
type shop struct {
	config  config
	store   *store
	assets  string
	fault   *misbehaviour
	metrics *metrics
	now     func() time.Time
	pages   *template.Template
}

// page is what every page shows.
type page struct {
	Title, Currency, Version, Offer string

	Products []product
	Basket   []line
	Order    order
}

// line is a product in the basket.
type line struct {
	product
	Quantity int
}

func (s *shop) handler() http.Handler {
	s.pages = template.Must(template.New("").Funcs(template.FuncMap{
		"money": func(cents int) string { return fmt.Sprintf("%d.%02d", cents/100, cents%100) },
	}).ParseFS(pages, "pages/*.html"))
	customers := http.NewServeMux()
	customers.HandleFunc("GET /{$}", s.list)
	customers.HandleFunc("GET /basket", s.basket)
	customers.HandleFunc("POST /basket", s.add)
	customers.HandleFunc("POST /order", s.buy)
	customers.HandleFunc("GET /orders/{id}", s.bought)
	customers.Handle("GET /assets/", http.StripPrefix("/assets/", http.FileServer(http.Dir(s.assets))))
	all := http.NewServeMux()
	all.HandleFunc("GET /healthz", s.healthz)
	all.HandleFunc("GET /metrics", s.metrics.write)
	all.Handle("/", s.counted(customers))
	return all
}

// counted measures requests and says which version answers.
func (s *shop) counted(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.fault.serve()
		w.Header().Set(versionHeader, version)
		started := s.now()
		seen := &statusWriter{ResponseWriter: w, status: http.StatusOK}
		if s.fault.hurt() {
			http.Error(seen, "the payment gateway refused us", http.StatusInternalServerError)
		} else {
			next.ServeHTTP(seen, r)
		}
		s.metrics.observe(seen.status, s.now().Sub(started))
	})
}

// statusWriter remembers the status.
type statusWriter struct {
	http.ResponseWriter
	status int
}

// WriteHeader implements http.ResponseWriter.
func (w *statusWriter) WriteHeader(status int) {
	w.status = status
	w.ResponseWriter.WriteHeader(status)
}

// Unwrap lets http.ResponseController through.
func (w *statusWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

func (s *shop) healthz(w http.ResponseWriter, r *http.Request) {
	w.Header().Set(versionHeader, version)
	err := s.store.well(r.Context())
	if _, missing := os.Stat(filepath.Join(s.assets, version, "style.css")); missing != nil {
		err = errors.Join(err, fmt.Errorf("the assets of %s are not published: %w", version, missing))
	}
	if s.fault.unhealthy {
		err = errors.Join(err, errors.New("the payment gateway does not answer"))
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusServiceUnavailable)
		return
	}
	_, _ = fmt.Fprintf(w, "ok %s\n", version) // the client may be gone
}

func (s *shop) list(w http.ResponseWriter, r *http.Request) {
	all, err := s.store.products(r.Context())
	s.show(w, "list.html", page{Products: all}, err)
}

func (s *shop) basket(w http.ResponseWriter, r *http.Request) {
	all, err := s.store.products(r.Context())
	s.show(w, "basket.html", page{Basket: readBasket(r, all)}, err)
}

// add puts a product into the basket, which is a cookie: it outlives instances.
func (s *shop) add(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, formLimit)
	id, err := strconv.Atoi(r.FormValue("product"))
	if err != nil || id < 1 {
		http.Error(w, "there is no such product", http.StatusBadRequest)
		return
	}
	text := strconv.Itoa(id)
	if c, err := r.Cookie(basketCookie); err == nil && len(c.Value) < 200 {
		text = c.Value + "." + text
	}
	http.SetCookie(w, &http.Cookie{Name: basketCookie, Value: text, Path: "/", HttpOnly: true, SameSite: http.SameSiteLaxMode})
	http.Redirect(w, r, "/basket", http.StatusSeeOther)
}

func readBasket(r *http.Request, all []product) []line {
	c, err := r.Cookie(basketCookie)
	if err != nil {
		return nil
	}
	count := map[string]int{}
	for id := range strings.SplitSeq(c.Value, ".") {
		count[id]++
	}
	var lines []line
	for _, p := range all {
		if n := count[strconv.Itoa(p.ID)]; n > 0 {
			lines = append(lines, line{p, n})
		}
	}
	return lines
}

func (s *shop) buy(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, formLimit)
	productID, err := strconv.Atoi(r.FormValue("product"))
	quantity, wrong := strconv.Atoi(r.FormValue("quantity"))
	if err != nil || wrong != nil || quantity < 1 || quantity > 99 {
		http.Error(w, "product and quantity (1 to 99) are needed", http.StatusBadRequest)
		return
	}
	id, ok, err := s.store.buy(r.Context(), productID, quantity)
	switch {
	case err != nil:
		s.fail(w, err)
	case !ok:
		http.Error(w, "there is no such product", http.StatusNotFound)
	default:
		s.metrics.orders.Add(1)
		http.SetCookie(w, &http.Cookie{Name: basketCookie, Path: "/", MaxAge: -1, HttpOnly: true, SameSite: http.SameSiteLaxMode})
		http.Redirect(w, r, fmt.Sprintf("/orders/%d", id), http.StatusSeeOther)
	}
}

func (s *shop) bought(w http.ResponseWriter, r *http.Request) {
	id, err := strconv.ParseInt(r.PathValue("id"), 10, 64)
	if err != nil {
		http.NotFound(w, r)
		return
	}
	o, ok, err := s.store.order(r.Context(), id)
	if err == nil && !ok {
		http.NotFound(w, r)
		return
	}
	s.show(w, "order.html", page{Order: o}, err)
}

func (s *shop) show(w http.ResponseWriter, name string, p page, err error) {
	if err != nil {
		s.fail(w, err)
		return
	}
	p.Title, p.Currency, p.Version, p.Offer = s.config.Title, s.config.Currency, version, offer
	var b strings.Builder
	if err := s.pages.ExecuteTemplate(&b, name, p); err != nil {
		s.fail(w, err)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	_, _ = w.Write([]byte(b.String())) // the client may be gone
}

func (s *shop) fail(w http.ResponseWriter, err error) {
	slog.Error("request failed", slog.Any("error", err))
	http.Error(w, "something went wrong", http.StatusInternalServerError)
}
