"""`modelservice check`."""

from __future__ import annotations

import dataclasses
import json
import os
import sys

import click

from modelservice import config
from modelservice.cli.output import json_option
from modelservice.manage.checking import check_database


@click.command()
@json_option
def check(*, as_json: bool) -> None:
    """Read the whole database, change nothing, and name what is wrong in it: a line each.

    The file's pages, the schema, references, and every row that cannot be read or rendered. The status is 1 if there is
    any problem; a warning is none.
    """
    report = check_database(config.load(os.environ).database_url)
    if as_json:
        findings = [dataclasses.asdict(finding) for finding in report.findings]
        click.echo(json.dumps({"ok": report.ok, "findings": findings, "rows": report.rows}, indent=2))
    else:
        for finding in report.findings:
            subject = " ".join(part for part in (finding.table, finding.id) if part)
            click.echo(": ".join(part for part in (finding.severity, subject, finding.reason) if part))
        if report.ok:
            click.echo(f"ok: {', '.join(f'{count} {table}' for table, count in report.rows.items())}")
    if not report.ok:
        sys.exit(1)
