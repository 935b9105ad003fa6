package main

import (
	"context"
	"os"
	"path/filepath"
	"strings"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	pb "modelservice/peer/modelservicev1"
)

// service has its answers as messages, which every call serializes anew.
type service struct {
	pb.UnimplementedModelServiceServer
	list  *pb.ListModelsResponse
	model *pb.Model
	id    string
}

func load(folder string) (*service, error) {
	s := &service{list: &pb.ListModelsResponse{}, model: &pb.Model{}}
	for name, message := range map[string]proto.Message{"list.pb": s.list, "get.pb": s.model} {
		wire, err := os.ReadFile(filepath.Join(folder, name))
		if err != nil {
			return nil, err
		}
		if err := proto.Unmarshal(wire, message); err != nil {
			return nil, err
		}
	}
	id, err := readID(folder)
	s.id = id
	return s, err
}

func readID(folder string) (string, error) {
	text, err := os.ReadFile(filepath.Join(folder, "get.id"))
	return strings.TrimSpace(string(text)), err
}

func (s *service) ListModels(context.Context, *pb.ListModelsRequest) (*pb.ListModelsResponse, error) {
	return s.list, nil
}

func (s *service) GetModel(_ context.Context, request *pb.GetModelRequest) (*pb.Model, error) {
	if request.GetModelId() != s.id {
		return nil, status.Error(codes.NotFound, "no such model")
	}
	return s.model, nil
}
