package main

import (
	"net/http"
	"os"
	"path/filepath"
	"strconv"
)

// The answers are bytes, read at the start and sent as they are.
func serveReady(address, folder string, credential credential) error {
	list, err := os.ReadFile(filepath.Join(folder, "list.json"))
	if err != nil {
		return err
	}
	model, err := os.ReadFile(filepath.Join(folder, "get.json"))
	if err != nil {
		return err
	}
	id, err := readID(folder)
	if err != nil {
		return err
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /v1/models", func(w http.ResponseWriter, _ *http.Request) { send(w, list) })
	mux.HandleFunc("GET /v1/models/{id...}", func(w http.ResponseWriter, r *http.Request) {
		if r.PathValue("id") != id {
			http.NotFound(w, r)
			return
		}
		send(w, model)
	})
	return http.ListenAndServe(address, credential.handler(mux))
}

func send(w http.ResponseWriter, body []byte) {
	w.Header().Set("Content-Type", "application/json")
	// Without it a long answer goes in chunks.
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	w.Write(body)
}
