"""The gRPC API: servicers, and the boundary that every call passes."""

import os

# grpc reads this when it is first imported, which only this package and its importers do. Since grpcio 1.80 each call
# of a synchronous server costs more with the listener than without (`make bench` compares echo servers with both). The
# environment overrides it.
os.environ.setdefault("GRPC_EXPERIMENTS", "-event_engine_listener")
