"""The public protobuf API, generated from proto/ (`make generate`)."""
