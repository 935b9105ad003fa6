"""The servers that the service is compared with. They run in the comparison's own environment (`make bench`)."""
