// Command peer serves the catalogue's two answers as grpc-go, grpc-gateway or net/http does, for the benchmark to compare with.
//
// The package modelservicev1 is made from the project's proto/ when the program is built (tests/benchmark/golang.py).
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"

	"github.com/grpc-ecosystem/grpc-gateway/v2/runtime"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/grpclog"

	pb "modelservice/peer/modelservicev1"
)

func main() {
	mode := flag.String("mode", "", "gateway, gateway-dial, grpc or ready")
	port := flag.Int("port", 0, "port of 127.0.0.1 to serve at")
	grpcPort := flag.Int("grpc-port", 0, "gateway-dial: port of 127.0.0.1 of the gRPC server that the gateway calls")
	data := flag.String("data", "", "folder of the answers")
	key := flag.String("key", "", "the API key that callers must have")
	flag.Parse()

	// grpc-gateway reports every connection that the load generator closes at its end.
	grpclog.SetLoggerV2(grpclog.NewLoggerV2(io.Discard, io.Discard, io.Discard))
	if err := serve(*mode, address(*port), address(*grpcPort), *data, bearer(*key)); err != nil {
		log.Fatal(err)
	}
}

func address(port int) string {
	return fmt.Sprintf("127.0.0.1:%d", port)
}

func serve(mode, address, grpcAddress, folder string, credential credential) error {
	switch mode {
	case "grpc":
		return serveGRPC(address, folder, credential)
	case "gateway":
		return serveGateway(address, folder, credential)
	case "gateway-dial":
		return serveDiallingGateway(address, grpcAddress, folder, credential)
	case "ready":
		return serveReady(address, folder, credential)
	}
	return fmt.Errorf("no such mode: %q", mode)
}

func serveGRPC(address, folder string, credential credential) error {
	service, err := load(folder)
	if err != nil {
		return err
	}
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return err
	}
	server := grpc.NewServer(grpc.UnaryInterceptor(credential.unary))
	pb.RegisterModelServiceServer(server, service)
	return server.Serve(listener)
}

// The gateway calls the service as a function: no network and no gRPC between them.
func serveGateway(address, folder string, credential credential) error {
	service, err := load(folder)
	if err != nil {
		return err
	}
	mux := runtime.NewServeMux()
	if err := pb.RegisterModelServiceHandlerServer(context.Background(), mux, service); err != nil {
		return err
	}
	return http.ListenAndServe(address, credential.handler(mux))
}

// The gateway calls a gRPC server of this same process through a connection. It forwards `authorization`, which the
// gRPC server checks.
func serveDiallingGateway(address, grpcAddress, folder string, credential credential) error {
	mux := runtime.NewServeMux()
	options := []grpc.DialOption{grpc.WithTransportCredentials(insecure.NewCredentials())}
	if err := pb.RegisterModelServiceHandlerFromEndpoint(context.Background(), mux, grpcAddress, options); err != nil {
		return err
	}
	failed := make(chan error, 1)
	go func() { failed <- serveGRPC(grpcAddress, folder, credential) }()
	go func() { failed <- http.ListenAndServe(address, mux) }()
	return <-failed
}
