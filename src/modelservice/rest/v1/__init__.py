"""The internal protobuf API that Envoy calls, generated from proto/ (`make generate`)."""
