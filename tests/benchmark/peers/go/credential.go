package main

import (
	"context"
	"crypto/subtle"
	"net/http"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
)

// credential is the one value of `authorization` that is let in.
type credential []byte

func bearer(key string) credential {
	return credential("Bearer " + key)
}

func (c credential) admits(authorization string) bool {
	return subtle.ConstantTimeCompare(c, []byte(authorization)) == 1
}

// unary lets calls with the credential through to a gRPC server's methods.
func (c credential) unary(
	ctx context.Context, request any, _ *grpc.UnaryServerInfo, next grpc.UnaryHandler,
) (any, error) {
	values := metadata.ValueFromIncomingContext(ctx, "authorization")
	if len(values) != 1 || !c.admits(values[0]) {
		return nil, status.Error(codes.Unauthenticated, "invalid API key")
	}
	return next(ctx, request)
}

// handler lets requests with the credential through to an HTTP handler.
func (c credential) handler(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !c.admits(r.Header.Get("Authorization")) {
			http.Error(w, "invalid API key", http.StatusUnauthorized)
			return
		}
		next.ServeHTTP(w, r)
	})
}
