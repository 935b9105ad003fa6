"""Logs and metrics."""

from modelservice.telemetry.line_writer import LineWriter
from modelservice.telemetry.logs import LineBudget, is_for_people, make_log
from modelservice.telemetry.streams import foreign_lines_logged, line_writer, standard_error_log

__all__ = [
    "LineBudget",
    "LineWriter",
    "foreign_lines_logged",
    "is_for_people",
    "line_writer",
    "make_log",
    "standard_error_log",
]
