"""Wire formats of the REST API. A dialect shapes answers and errors, and decides nothing else.

`paths` says which path belongs to which dialect, as do the annotations of RestService (proto/modelservice/rest/v1).
`registry` lists the dialects.
"""
