"""What a server tells of itself: its log, and metrics."""

from modelservice.telemetry.logs import make_log

__all__ = ["make_log"]
