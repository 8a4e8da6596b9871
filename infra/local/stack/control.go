package stack

import (
	"encoding/json"
	"errors"
	"net/http"
	"time"

	"concord/infra/local/schedule"
	"concord/internal/iso8601"
)

// control serves what only exists locally, under /_local/: running a schedule, moving the clock, reading the event bus.
func (s *Stack) control() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /_local/schedules/{function}", s.serveSchedule)
	mux.HandleFunc("GET /_local/clock", func(w http.ResponseWriter, _ *http.Request) { s.writeTime(w) })
	mux.HandleFunc("POST /_local/clock", s.serveAdvance)
	mux.HandleFunc("GET /_local/events", s.Bus.ServeEvents)
	mux.HandleFunc("GET /_local/events/follow", s.Bus.ServeFollow)
	return mux
}

func (s *Stack) serveSchedule(w http.ResponseWriter, r *http.Request) {
	function := r.PathValue("function")
	names, err := s.scheduler.Run(r.Context(), function)
	switch {
	case errors.Is(err, schedule.ErrNoSchedule):
		writeJSON(w, http.StatusNotFound, map[string]string{"message": "no schedule invokes " + function})
	case err != nil:
		writeJSON(w, http.StatusInternalServerError, map[string]string{"message": err.Error()})
	default:
		writeJSON(w, http.StatusOK, map[string]any{"function": function, "schedules": names})
	}
}

func (s *Stack) serveAdvance(w http.ResponseWriter, r *http.Request) {
	var in struct {
		Advance string `json:"advance"`
	}
	decoder := json.NewDecoder(http.MaxBytesReader(w, r.Body, 1<<10))
	decoder.DisallowUnknownFields()
	err := decoder.Decode(&in)
	if err == nil && decoder.More() {
		err = errors.New("more than one value")
	}
	if err != nil {
		writeJSON(w, http.StatusBadRequest, map[string]string{"message": `the body is {"advance": "P31D"}: ` + err.Error()})
		return
	}
	parsed, ok := iso8601.Parse(in.Advance)
	d, fixed := parsed.Fixed()
	if !ok || !fixed {
		writeJSON(w, http.StatusBadRequest, map[string]string{"message": "advance is no ISO 8601 duration such as P31D or PT10M"})
		return
	}
	if err := s.Advance(r.Context(), d); err != nil {
		writeJSON(w, http.StatusInternalServerError, map[string]string{"message": err.Error()})
		return
	}
	s.writeTime(w)
}

func (s *Stack) writeTime(w http.ResponseWriter) {
	writeJSON(w, http.StatusOK, map[string]string{"now": s.clock.Now().UTC().Format(time.RFC3339), "offset": s.clock.Offset().String()})
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v)
}
