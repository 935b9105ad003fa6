"""Administration: everything that writes to the database, and what only operators read.

Functions take the URL of the database and, if they write, the actor whose name the audit records. Besides the errors
that each names, all raise `SchemaMismatchError` if the database does not have this version's schema, and
`DatabaseUnavailableError` if it cannot be reached or refuses.
"""
