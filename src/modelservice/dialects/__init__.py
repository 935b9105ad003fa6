"""Wire formats of the REST API. A dialect shapes answers and errors, and decides nothing else.

Its paths are in `paths`, and in the annotations of RestService (proto/modelservice/rest/v1). `registry` lists the dialects.
"""
