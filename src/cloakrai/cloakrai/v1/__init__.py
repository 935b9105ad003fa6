"""The public protobuf API (package `modelservice.v1`), generated. It needs `cloakrai[grpc]`."""
