"""The gRPC face: servicers, and the boundary through which every call passes."""

import os

# Read when grpc is first imported, which only modules of this package (and what imports them) do. Since grpcio 1.80 a
# synchronous server costs more for each call with the listener than without: two rows of `make bench` are an echo
# server either way. Whoever sets the variable decides.
os.environ.setdefault("GRPC_EXPERIMENTS", "-event_engine_listener")
