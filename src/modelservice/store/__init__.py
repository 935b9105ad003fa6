"""The database: tables, migrations, reads and writes. Nothing outside this package knows SQL."""
