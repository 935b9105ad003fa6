"""A catalogue of AI models as a gRPC service, with the documented REST API through Envoy."""
