"""The gRPC face: servicers, and the boundary through which every call passes."""
