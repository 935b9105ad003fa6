"""What a server tells of itself: its log, and metrics."""

from modelservice.telemetry.logs import LineBudget, make_log

__all__ = ["LineBudget", "make_log"]
