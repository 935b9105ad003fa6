"""`modelservice check`."""

from __future__ import annotations

import dataclasses
import os
import sys

import click

from modelservice import config
from modelservice.cli.output import json_option, print_json
from modelservice.domain.text import printable
from modelservice.manage.database_check import check_database


@click.command()
@json_option
def check(*, as_json: bool) -> None:
    """Read the whole database, change nothing, and name what is wrong in it: a line each.

    It checks the file's pages, the schema, references, and that every row can be read and rendered. It warns of files
    that other users can read. The status is 1 if there is any problem; a warning is none.
    """
    settings = config.load(os.environ)
    named = config.named_files(os.environ, settings)
    report = check_database(settings.database_url, named.secrets, named.trusted)
    if as_json:
        findings = [dataclasses.asdict(finding) for finding in report.findings]
        print_json({"ok": report.ok, "findings": findings, "rows": dict(report.rows)})
    else:
        for finding in report.findings:
            subject = " ".join(part for part in (finding.table, finding.id) if part)
            click.echo(printable(": ".join(part for part in (finding.severity, subject, finding.reason) if part)))
        if report.ok:
            click.echo(f"ok: {', '.join(f'{count} {table}' for table, count in report.rows.items())}")
    if not report.ok:
        sys.exit(1)
