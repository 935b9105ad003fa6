"""The public protobuf API (package `modelservice.v1`), generated. It needs `cloakrai[grpc]`."""

from importlib.util import find_spec

# In this order: a package can only be looked for in one that exists.
if not all(map(find_spec, ("grpc", "google", "google.protobuf", "google.api"))):
    raise ImportError("cloakrai.v1 needs the extra `grpc`: pip install 'cloakrai[grpc]'")
